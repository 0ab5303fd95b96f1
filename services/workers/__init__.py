"""Celery workers: generation, datasets, fine-tune orchestration, maintenance."""
