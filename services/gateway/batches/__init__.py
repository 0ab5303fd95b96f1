"""OpenAI's batches: made, shown, listed, cancelled."""
