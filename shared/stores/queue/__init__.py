"""The Celery application, the line of interactive texts, and how a message is sent through either: not what the
messages are, which the contracts say."""
