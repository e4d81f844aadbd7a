"""Scores with reasons that add up: pure functions of what was known."""
