"""What RevOps steers by: policies and their drafts, what a threshold or a draft would mean, and how far a change is."""
