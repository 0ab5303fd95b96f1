"""`/v1/responses`: OpenAI's responses, another door to chats. The work is done in `interactive`."""
