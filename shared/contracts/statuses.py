"""The statuses of every kind of row: which are open, which are final, and from which a client may steer it.

One table for gateway, streaming, workers and SQL. Repositories write literal predicates where a partial index must
match them; `tests/contract/test_statuses.py` holds those, the indexes, the schemas and the command line to it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Statuses:
    """The statuses of one kind of row, each group in the order in which a row may pass through it."""

    workable: tuple[str, ...]
    """A worker may hold the row, or take it."""
    final: tuple[str, ...]
    """Nothing about the row's outcome changes any more, unless it is tried again."""
    waiting: tuple[str, ...] = ()
    """Open, but no worker may take it until a client says so."""
    cancellable: tuple[str, ...] = ()
    pausable: tuple[str, ...] = ()
    resumable: tuple[str, ...] = ()
    repeatable: tuple[str, ...] = ()
    """Final, and nothing came of it: a client may ask for the same work once more."""

    @property
    def open(self) -> tuple[str, ...]:
        """Return the statuses of a row that is not over."""
        return self.workable + self.waiting

    @property
    def known(self) -> tuple[str, ...]:
        """Return every status that such a row can have."""
        return self.open + self.final


QUEUED_OR_RUNNING: Final = ("queued", "running")

COMPLETION: Final = Statuses(
    workable=QUEUED_OR_RUNNING, final=("succeeded", "failed", "cancelled"), cancellable=QUEUED_OR_RUNNING
)
STORY: Final = Statuses(workable=QUEUED_OR_RUNNING, final=("succeeded", "failed", "rejected", "cancelled"))
"""A story is cancelled with its generation, never by itself."""
GENERATION: Final = Statuses(
    workable=QUEUED_OR_RUNNING,
    waiting=("paused",),
    final=("succeeded", "failed", "cancelled"),
    cancellable=(*QUEUED_OR_RUNNING, "paused"),
    pausable=QUEUED_OR_RUNNING,
    resumable=("paused",),
    repeatable=("succeeded", "failed"),
)
"""Repeated are its failed rows, also of a run that is not over: one that succeeded may have some."""
BATCH: Final = Statuses(
    workable=("validating", "finalizing", "cancelling"),
    waiting=("in_progress",),
    final=("completed", "failed", "expired", "cancelled"),
    cancellable=("validating", "in_progress"),
)
"""OpenAI's words. While its run is at work no worker holds the batch itself."""
DATASET: Final = Statuses(
    workable=QUEUED_OR_RUNNING, final=("succeeded", "failed", "cancelled"), cancellable=QUEUED_OR_RUNNING
)
FINE_TUNING_JOB: Final = Statuses(
    workable=("validating_files", "queued", "running"),
    waiting=("paused",),
    final=("succeeded", "failed", "cancelled"),
    cancellable=("validating_files", "queued", "running", "paused"),
    pausable=("validating_files", "queued", "running"),
    resumable=("paused",),
    repeatable=("failed", "cancelled"),
)
"""A provider's job has these too, once its spellings are read. A paused job is taken only to carry out what somebody
wants of it; workers see by its step, `done`, that a job is over."""
EVALUATION: Final = Statuses(workable=QUEUED_OR_RUNNING, final=("succeeded", "failed"), repeatable=("failed",))
COMPARISON: Final = Statuses(workable=QUEUED_OR_RUNNING, waiting=("voting",), final=("succeeded", "failed"))
UPLOAD: Final = Statuses(
    workable=(), waiting=("pending",), final=("completed", "cancelled", "expired"), cancellable=("pending",)
)
"""OpenAI's words. It waits for the client's parts."""
FILE: Final = Statuses(workable=(), final=("uploaded", "processed", "error", "deleted"))
"""OpenAI's words. No file waits for anything."""
WEBHOOK_DELIVERY: Final = Statuses(workable=("due",), final=("delivered", "given_up"))
TRACKER_RUN: Final = Statuses(workable=("open",), final=("complete", "given_up"))
ATTEMPT: Final = Statuses(workable=("sent",), final=("succeeded", "failed", "superseded", "unknown"))
"""The column is called `outcome`. `sent` is a call on the books that has none yet."""
ATTEMPT_UNANSWERED: Final = ("sent", "unknown")
"""Calls whose answer is not on the books: a late answer still settles one that was given up as unknown."""

STREAM_IN_HAND: Final = ("running", "finalizing")
"""What viewers are shown of a stream while a worker writes it."""
STREAM_AT_REST: Final = ("queued", "stalled")
"""What viewers are shown of a stream while none does: nobody has it yet, or its worker is gone."""
