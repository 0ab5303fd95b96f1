"""OpenAI's uploads: a file that comes in parts."""
