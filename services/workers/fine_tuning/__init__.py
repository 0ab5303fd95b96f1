"""Fine-tuning jobs: each is taken step by step from its files to a registered model. See ADR 60."""
