"""What was known about a person at an instant: pure functions of facts, the same for live scoring and for training."""
