"""In: what is due, who reads it, and how a page becomes facts about people."""
