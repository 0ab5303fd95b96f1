"""The streaming service: Redis in, WebSocket and server-sent events out. Never writes to the database."""
