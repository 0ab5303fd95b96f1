"""Tuned models after their job: evaluated on held-out rows, compared with another, removed at their provider."""
