"""Out: what is intended is written in batches, and proved by reading it back."""
