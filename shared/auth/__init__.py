"""Who is asking: keys, the principal behind a key, single-use tickets for browsers."""
