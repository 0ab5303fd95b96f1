"""`/v1/stories`: what was written; review."""
