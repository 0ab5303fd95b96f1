"""Near-duplicate texts through MinHash signatures and a banded index, in memory bounded per row."""
