"""The Celery application that senders and workers share: one configuration of the broker and the queues.

Early acks: a message is only a hint that a row waits; the row and its lease are the truth, and the reaper
sends the hint again. Late acks on the Redis broker make a worker exit when the broker restarts. Events, three a task
and a heartbeat of each process, are published only by a worker that is started with `-E`, for Flower."""

from celery import Celery
from kombu import Queue

from shared.contracts.queue.messages import QUEUES
from shared.stores.redis.changing_password import follow_password_file

BROKER_TIMEOUT_SECONDS = 5


def make_celery(redis_url: str) -> Celery:
    """Return a Celery application on `redis_url`. It registers no tasks: a worker does that."""
    app = Celery("storymill", broker=follow_password_file(redis_url))
    app.conf.update(
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=QUEUES[0],
        task_ignore_result=True,
        task_acks_late=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis whose disk is full, or that is read-only, answers with errors: a worker waits through them, too.
        broker_channel_error_retry=True,
        broker_pool_limit=10,
        broker_transport_options={
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            "retry_on_timeout": True,
            "health_check_interval": 10,
        },
        task_publish_retry=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app
