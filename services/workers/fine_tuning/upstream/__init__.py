"""Fine-tuning at a provider: what it can do, what it is asked, what it tells. Knows no job of ours."""
