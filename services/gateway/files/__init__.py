"""OpenAI's files: uploaded, listed, read, deleted."""
