"""Rows of fine-tuning jobs: the job, its events, metrics and checkpoints.

The row is the truth: whoever runs a job claims it by raising `attempt`, and every later write of the run is
refused once the status has left `running` or the attempt has moved on. Knows no HTTP and no training.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.engine.idempotency import IdempotencyKey, find_made, remember_made
from services.engine.store import Store
from services.engine.training import event_rows

OPEN = ("validating_files", "queued", "running", "paused")
FINISHED = ("succeeded", "failed", "cancelled")


class ClaimLostError(Exception):
    """The job was cancelled, paused or taken over; this run may write nothing more."""


class WrongStatusError(Exception):
    """The job's status does not allow what was asked."""

    def __init__(self, job_id: str, status: str, wanted: str) -> None:
        super().__init__(f"Job {job_id} is {status} and cannot be {wanted}.")


@dataclass(frozen=True)
class Job:
    """A job's row. `request` is what the client asked for, `source` where the model to start from lies."""

    id: str
    status: str
    attempt: int
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    trained_tokens: int | None
    fine_tuned_model: str | None
    error: dict[str, Any] | None
    hyperparameters: dict[str, Any]
    result_files: list[str]
    fruitless_starts: int
    request: dict[str, Any]
    source: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint; `metrics` has OpenAI's names."""

    id: str
    job_id: str
    step: int
    created_at: int
    model: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class JobError:
    """Why a job failed, for its `error` field."""

    code: str
    message: str
    param: str | None = None


class JobStore:
    """Reads and writes jobs. Every method is one transaction; safe from any thread and from both processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        request: dict[str, Any],
        source: dict[str, Any],
        hyperparameters: dict[str, Any],
        key: IdempotencyKey | None = None,
    ) -> Job:
        """Record a job, with its first events. The supervisor passes it over until `release`."""
        job_id = f"ftjob-{secrets.token_hex(12)}"
        with self._store.write() as connection:
            connection.execute(
                """
                INSERT INTO jobs (id, number, status, created_at, hyperparameters, request, source)
                VALUES (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM jobs), 'validating_files', ?, ?, ?, ?)
                """,
                (job_id, _now(), json.dumps(hyperparameters), json.dumps(request), json.dumps(source)),
            )
            event_rows.insert(connection, job_id, "created", f"Created fine-tuning job: {job_id}")
            name = request["training_file"]
            event_rows.insert(connection, job_id, "validating", f"Validating training file: {name}")
            if key is not None:
                remember_made(connection, key, job_id)
            return _get(connection, job_id)

    def find_made(self, key: IdempotencyKey) -> Job | None:
        """Return the job that this key's request made, or None. Raises: InvalidRequestError if it asked for another."""
        with self._store.read() as connection:
            job_id = find_made(connection, key)
        return None if job_id is None else self.find(job_id)

    def release(self, job_id: str) -> Job:
        """Let the supervisor see a job whose folder is filled."""
        with self._store.write() as connection:
            connection.execute("UPDATE jobs SET released = 1 WHERE id = ?", (job_id,))
            return _get(connection, job_id)

    def discard_unreleased(self, job_id: str | None = None) -> None:
        """Forget a job that could not be set up, or all that an earlier engine left half set up."""
        with self._store.write() as connection:
            query = "DELETE FROM jobs WHERE released = 0 AND (?1 IS NULL OR id = ?1)"
            connection.execute(query, (job_id,))

    def find(self, job_id: str) -> Job | None:
        """Return the job or None."""
        with self._store.read() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def get(self, job_id: str) -> Job:
        """Return the job. Raises: KeyError when there is none of this id."""
        with self._store.read() as connection:
            return _get(connection, job_id)

    def list(self, *, after: str | None, limit: int, metadata: dict[str, str] | None = None) -> Sequence[Job]:
        """Return up to `limit` jobs, newest first, past the one named `after`; all of `metadata` must match."""
        query = """
            SELECT * FROM jobs WHERE (:after IS NULL OR number < (SELECT number FROM jobs WHERE id = :after))
            ORDER BY number DESC
        """
        found: list[Job] = []
        with self._store.read() as connection:
            for row in connection.execute(query, {"after": after}):
                job = _job(row)
                has = job.request.get("metadata") or {}
                if all(has.get(key) == value for key, value in (metadata or {}).items()):
                    found.append(job)
                if len(found) == limit:
                    break
        return found

    def with_status(self, status: str) -> Sequence[Job]:
        """Return the jobs in a status, oldest first."""
        with self._store.read() as connection:
            rows = connection.execute("SELECT * FROM jobs WHERE status = ? AND released ORDER BY number", (status,))
            return [_job(row) for row in rows]

    def count_open(self) -> int:
        """How many jobs have not finished."""
        marks = ", ".join("?" * len(OPEN))
        with self._store.read() as connection:
            query = f"SELECT COUNT(*) FROM jobs WHERE status IN ({marks})"  # noqa: S608 question marks only
            return int(connection.execute(query, OPEN).fetchone()[0])

    # ── what clients and the supervisor change ────────────────────────────────────────────────────────────────

    def queue(self, job_id: str) -> None:
        """Move a validated job into the queue; nothing happens if it was cancelled meanwhile."""
        with self._store.write() as connection:
            if _move(connection, job_id, ("validating_files",), "queued"):
                event_rows.insert(connection, job_id, "validated", "Files validated, moving job to queued state")

    def cancel(self, job_id: str) -> Job:
        """Cancel an open job; a cancelled one stays as it is.

        Raises: KeyError for an unknown job, WrongStatusError when it has succeeded or failed.
        """
        return self._change(job_id, OPEN, "cancelled", "cancelled", "Fine-tuning job cancelled")

    def pause(self, job_id: str) -> Job:
        """Pause a queued or running job; a paused one stays as it is.

        Raises: KeyError for an unknown job, WrongStatusError when it is neither.
        """
        return self._change(job_id, ("queued", "running"), "paused", "paused", "Fine-tuning job paused")

    def resume(self, job_id: str) -> Job:
        """Put a paused job back into the queue, at its old place.

        Raises: KeyError for an unknown job, WrongStatusError when it is not paused.
        """
        return self._change(job_id, ("paused",), "queued", "resumed", "Fine-tuning job resumed")

    def fail(self, job_id: str, error: JobError, details: Sequence[str] = ()) -> None:
        """End an open job as failed; `details` become one event each, before the last."""
        with self._store.write() as connection:
            if not _move(connection, job_id, OPEN, "failed"):
                return
            connection.execute(
                "UPDATE jobs SET error = ?, estimated_finish = NULL WHERE id = ?",
                (json.dumps(vars(error)), job_id),
            )
            for number, detail in enumerate(details):
                event_rows.insert(connection, job_id, f"failure:{number}", detail, level="error")
            event_rows.insert(connection, job_id, "failed", error.message, level="error")

    def claim(self, job_id: str) -> Job | None:
        """Take a queued job for a new run, or return None when it is no longer queued."""
        with self._store.write() as connection:
            if not _move(connection, job_id, ("queued",), "running"):
                return None
            connection.execute("UPDATE jobs SET attempt = attempt + 1 WHERE id = ?", (job_id,))
            job = _get(connection, job_id)
            key, message = f"start:{job.attempt}", "Fine-tuning job started"
            if job.attempt > 1:
                message = f"Fine-tuning job continues (start {job.attempt})"
            event_rows.insert(connection, job_id, key, message)
            return job

    def requeue_interrupted(self, job_id: str, attempt: int, *, counts: bool = True) -> bool:
        """Give a run back whose process died; False when the job had moved on by itself.

        With `counts` it is one more start that got no further, until a resume point is written.
        """
        with self._store.write() as connection:
            if not _give_back(connection, job_id, attempt):
                return False
            if counts:
                query = "UPDATE jobs SET fruitless_starts = fruitless_starts + 1 WHERE id = ?"
                connection.execute(query, (job_id,))
            message = "The trainer stopped before the end; the job goes on at its last resume point"
            event_rows.insert(connection, job_id, f"interrupted:{attempt}", message, level="warn")
            return True

    def requeue_stopped(self, job_id: str, attempt: int) -> bool:
        """Give a run back that was stopped in good order, with the engine."""
        with self._store.write() as connection:
            return _give_back(connection, job_id, attempt)

    def _change(self, job_id: str, allowed: Sequence[str], status: str, participle: str, message: str) -> Job:
        with self._store.write() as connection:
            job = _get(connection, job_id)
            if job.status == status and participle != "resumed":
                return job
            if not _move(connection, job_id, allowed, status):
                raise WrongStatusError(job_id, job.status, participle)
            connection.execute("UPDATE jobs SET estimated_finish = NULL WHERE id = ?", (job_id,))
            key = f"{participle}:{event_rows.count(connection, job_id)}"
            event_rows.insert(connection, job_id, key, message)
            return _get(connection, job_id)

    # ── reading what runs have written ────────────────────────────────────────────────────────────────────────

    def events(self, job_id: str, *, after: str | None, limit: int) -> Sequence[event_rows.Event]:
        """Return up to `limit` events, newest first, older than the one named `after`."""
        with self._store.read() as connection:
            return event_rows.newest_first(connection, job_id, after, limit)

    def checkpoints(self, job_id: str, *, after: str | None, limit: int) -> Sequence[Checkpoint]:
        """Return up to `limit` checkpoints, newest first, older than the one named `after`."""
        query = """
            SELECT * FROM job_checkpoints WHERE job_id = :job_id
              AND (:after IS NULL OR step < (SELECT step FROM job_checkpoints WHERE id = :after))
            ORDER BY step DESC LIMIT :limit
        """
        with self._store.read() as connection:
            rows = connection.execute(query, {"job_id": job_id, "after": after, "limit": limit})
            return [_checkpoint(row) for row in rows]

    def metrics(self, job_id: str) -> Sequence[dict[str, Any]]:
        """Return the metrics of every step, in order."""
        query = "SELECT metrics FROM job_metrics WHERE job_id = ? ORDER BY step"
        with self._store.read() as connection:
            return [json.loads(row["metrics"]) for row in connection.execute(query, (job_id,))]


def _move(connection: sqlite3.Connection, job_id: str, allowed: Sequence[str], status: str) -> bool:
    marks = ", ".join("?" * len(allowed))
    finished_at = _now() if status in FINISHED else None
    query = f"UPDATE jobs SET status = ?, finished_at = ? WHERE id = ? AND status IN ({marks})"  # noqa: S608
    return connection.execute(query, (status, finished_at, job_id, *allowed)).rowcount > 0


def _give_back(connection: sqlite3.Connection, job_id: str, attempt: int) -> bool:
    query = """
        UPDATE jobs SET status = 'queued', estimated_finish = NULL
        WHERE id = ? AND status = 'running' AND attempt = ?
    """
    return connection.execute(query, (job_id, attempt)).rowcount > 0


def _get(connection: sqlite3.Connection, job_id: str) -> Job:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise KeyError(job_id)
    return _job(row)


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    del values["number"], values["released"]
    for name in ("hyperparameters", "result_files", "request", "source"):
        values[name] = json.loads(values[name])
    values["error"] = json.loads(values["error"]) if values["error"] else None
    return Job(**values)


def _checkpoint(row: sqlite3.Row) -> Checkpoint:
    return Checkpoint(**{**dict(row), "metrics": json.loads(row["metrics"])})


def _now() -> int:
    return int(time.time())
