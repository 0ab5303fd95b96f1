"""What a worker counts, for `/metrics`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from shared.observability.logs import get_logger
from shared.texts.finish_reasons import Ending, find_ending

log = get_logger(__name__)

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

JOBS_RUNNING = Gauge("storymill_worker_jobs_running", "Jobs under way in this process.", ["job"])
JOB_SECONDS = Histogram("storymill_worker_job_seconds", "How long jobs took.", ["job"], buckets=LATENCY_BUCKETS)
UPSTREAM_CALLS = Counter(
    "storymill_upstream_calls_total",
    "Calls to model providers; outcome is `succeeded` or the failure class.",
    ["provider", "kind", "outcome"],
)
UNKNOWN_FINISH_REASONS = Counter(
    "storymill_upstream_unknown_finish_reasons_total",
    "Answers that ended for a reason that we do not know: their texts are kept; the log has the words.",
    ["provider"],
)
FIRST_TOKEN_SECONDS = Histogram(
    "storymill_upstream_first_token_seconds",
    "From the start of a streamed call to its first token.",
    ["provider"],
    buckets=LATENCY_BUCKETS,
)
LINE_DEPTH = Gauge("storymill_line_depth", "Interactive texts that wait in the line, of all projects.")
LINE_OLDEST_SECONDS = Gauge("storymill_line_oldest_seconds", "How long the oldest text in the line has waited.")
STREAMS_OPEN = Gauge("storymill_worker_streams_open", "Interactive streams that this process writes.")
WEBHOOKS_SENT = Counter(
    "storymill_webhooks_sent_total",
    "Webhooks sent, by outcome: delivered, failed (to be sent again), given_up.",
    ["outcome"],
)
ROWS_HELD = Gauge("storymill_worker_rows_held", "Rows whose leases this process renews.", ["kind"])
ROWS_LOST = Counter(
    "storymill_worker_rows_lost_total",
    "Rows that were another's, or not to be renewed, while we worked on them.",
    ["kind"],
)
BEATS_FAILED = Counter(
    "storymill_lease_beats_failed_total",
    "Renewals that did not get through: the store was away, the statement hung (hanging), or a defect of ours.",
    ["kind", "cause"],
)

REAPER_STEPS_FAILED = Counter(
    "storymill_reaper_steps_failed_total",
    "Steps of the reaper that met a defect of ours, or a statement that took too long; the others went on.",
    ["step", "cause"],
)


@contextmanager
def note_job(name: str) -> Iterator[None]:
    """Count a job while it runs, and how long it took."""
    JOBS_RUNNING.labels(name).inc()
    begun = time.monotonic()
    try:
        yield
    finally:
        JOBS_RUNNING.labels(name).dec()
        JOB_SECONDS.labels(name).observe(time.monotonic() - begun)


def note_finish_reason(provider: str, reason: str | None) -> None:
    """Count a reason that we do not know."""
    if reason is not None and find_ending(reason) is Ending.UNKNOWN:
        UNKNOWN_FINISH_REASONS.labels(provider).inc()
        log.info("finish_reason_unknown", provider=provider, reason=reason)
