"""OpenAI's fine-tuning jobs: ordered, watched, steered."""
