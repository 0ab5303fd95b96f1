"""Rows of a job's events: numbered without a gap, each written once for its key."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["info", "warn", "error"]
EventType = Literal["message", "metrics"]


@dataclass(frozen=True)
class Event:
    """One event; `sequence` counts from 1 within the job."""

    job_id: str
    sequence: int
    created_at: int
    level: str
    type: str
    message: str
    data: dict[str, Any] | None

    @property
    def id(self) -> str:
        """The id that clients page by."""
        return f"ftevent-{self.job_id.removeprefix('ftjob-')}-{self.sequence:06d}"


def insert(
    connection: sqlite3.Connection,
    job_id: str,
    key: str,
    message: str,
    *,
    level: Level = "info",
    type: EventType = "message",
    data: dict[str, Any] | None = None,
) -> None:
    """Append an event, unless one with this key is there: a step run again after a kill is told once."""
    connection.execute(
        """
        INSERT OR IGNORE INTO job_events (job_id, sequence, key, created_at, level, type, message, data)
        VALUES (?, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM job_events WHERE job_id = ?), ?, ?, ?, ?, ?, ?)
        """,
        (job_id, job_id, key, int(time.time()), level, type, message, json.dumps(data) if data else None),
    )


def count(connection: sqlite3.Connection, job_id: str) -> int:
    """How many events the job has."""
    return int(connection.execute("SELECT COUNT(*) FROM job_events WHERE job_id = ?", (job_id,)).fetchone()[0])


def newest_first(connection: sqlite3.Connection, job_id: str, after: str | None, limit: int) -> Sequence[Event]:
    """Return events older than the one named `after`; an id of another job or of no event gives none."""
    before = _sequence_of(job_id, after)
    query = """
        SELECT * FROM job_events WHERE job_id = ? AND (? IS NULL OR sequence < ?) ORDER BY sequence DESC LIMIT ?
    """
    return [_event(row) for row in connection.execute(query, (job_id, before, before, limit))]


def _sequence_of(job_id: str, event_id: str | None) -> int | None:
    if event_id is None:
        return None
    prefix = f"ftevent-{job_id.removeprefix('ftjob-')}-"
    number = event_id.removeprefix(prefix)
    return int(number) if event_id.startswith(prefix) and number.isdecimal() else 0


def _event(row: sqlite3.Row) -> Event:
    data = json.loads(row["data"]) if row["data"] else None
    return Event(row["job_id"], row["sequence"], row["created_at"], row["level"], row["type"], row["message"], data)
