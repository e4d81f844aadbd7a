"""Quality and speed against named baselines, measured in the same run. Each module here is one benchmark.

A benchmark is a module with `def run() -> Figure`; `python -m benchmarks [NAME]` runs all of them, or one.
"""
