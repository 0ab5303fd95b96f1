"""The Celery queues: their names, the messages on them, and how to send one."""
