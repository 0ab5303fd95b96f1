"""Tuned models after their job: contract, replay of older rows, evaluation, comparison, removal."""
