"""The object store: bytes of files, by their hash."""
