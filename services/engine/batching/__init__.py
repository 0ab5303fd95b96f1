"""Turns requests into batched steps of the model and tokens into text; knows nothing of HTTP."""
