"""`/v1/chat/completions`: OpenAI's chat, streamed or not."""
