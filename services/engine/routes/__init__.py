"""HTTP: parses a request, calls one function, shapes the answer as OpenAI does."""
