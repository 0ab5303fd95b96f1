"""What a worker process is made of: the loop behind Celery, the context of its jobs, health and metrics."""
