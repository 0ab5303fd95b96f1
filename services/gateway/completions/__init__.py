"""`/v1/completions`: OpenAI's completions, streamed or not."""
