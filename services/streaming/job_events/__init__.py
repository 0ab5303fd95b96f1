"""The events of one fine-tuning job over a WebSocket."""
