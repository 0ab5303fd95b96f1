"""Rows as a model sees them, by its own tokenizer or by a published encoding."""
