"""Counting tokens without a network, with the encodings that OpenAI published. Knows no model's own tokenizer."""
