"""The Celery application, and how a message is sent through it. What the messages are stands in the contracts."""
