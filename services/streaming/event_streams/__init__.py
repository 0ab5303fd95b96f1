"""`GET /v1/streams/{id}`: one stream as server-sent events."""
