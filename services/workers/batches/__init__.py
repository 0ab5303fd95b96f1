"""OpenAI's batches: a file is checked and made into a run; when that is over its answers become files."""
