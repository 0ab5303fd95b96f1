"""When beat sends what."""

from typing import Any, Final

from shared.contracts.queue.messages import ReapLapsed, SweepObjects

REAP_SECONDS: Final = 2.0
SWEEP_SECONDS: Final = 3600.0

SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "reap": {
        "task": ReapLapsed.task,
        "schedule": REAP_SECONDS,
        # Nobody needs the rounds that were missed while no worker ran.
        "options": {"queue": ReapLapsed.queue, "expires": 2 * REAP_SECONDS},
    },
    "sweep_objects": {
        "task": SweepObjects.task,
        "schedule": SWEEP_SECONDS,
        "options": {"queue": SweepObjects.queue, "expires": SWEEP_SECONDS},
    },
}
"""Celery's `beat_schedule`."""
