"""The edge: one folder a system. Imports nothing of `worker`; usable alone."""
