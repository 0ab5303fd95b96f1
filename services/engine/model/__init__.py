"""Loads a base model, its tokenizer and LoRA adapters; knows nothing of requests or HTTP."""
