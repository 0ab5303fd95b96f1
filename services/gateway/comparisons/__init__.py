"""`/v1/model_comparisons`: two models on the same prompts, judged by a model or by people."""
