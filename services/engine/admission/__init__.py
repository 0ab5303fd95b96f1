"""Admits a base model: says what it is and whether it may be served, before anything is answered in its name."""
