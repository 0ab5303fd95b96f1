"""`/v1/engines`: the protocol of openai 0.27, thin adapters over completions and models."""
