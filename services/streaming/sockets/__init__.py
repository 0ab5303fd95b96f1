"""`WS /v1/streams`: many streams on one socket."""
