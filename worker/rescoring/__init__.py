"""Score who is due: claim, features as of now, score, decide, record, and intend the writes that matter."""
