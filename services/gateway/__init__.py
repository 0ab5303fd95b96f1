"""The API gateway: validates, records, enqueues, answers. Never calls a model."""
