"""Interactive completions: added and read by the gateway, read by whoever streams them. Workers claim elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import COMPLETION
from shared.contracts.stream.stored_text import StoredText
from shared.stores.db.models import Completion


@dataclass(frozen=True, slots=True)
class NewCompletion:
    """One text to be written."""

    id: str
    project_id: str
    api_key_id: str
    request_id: str
    choice_index: int
    kind: str
    model: str
    request: dict[str, Any]


async def add_completions(session: AsyncSession, completions: Sequence[NewCompletion]) -> None:
    """Insert texts as `queued`. Send their messages after the commit."""
    columns = NewCompletion.__slots__
    rows = [{**{name: getattr(row, name) for name in columns}, "status": "queued"} for row in completions]
    await session.execute(insert(Completion), rows)


async def find_completion(session: AsyncSession, project_id: str, completion_id: str) -> Completion | None:
    """Return a text of the project."""
    query = select(Completion).where(Completion.id == completion_id, Completion.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def list_completions(session: AsyncSession, request_id: str) -> Sequence[Completion]:
    """Return the texts of one request in the order of its choices."""
    query = select(Completion).where(Completion.request_id == request_id).order_by(Completion.choice_index)
    return (await session.scalars(query)).all()


async def count_open(session: AsyncSession, project_id: str, at_most: int) -> int:
    """Return how many texts of a project are queued or running, counting no further than `at_most`."""
    rows = (
        select(Completion.id)
        .where(Completion.project_id == project_id, Completion.status.in_(COMPLETION.open))
        .limit(at_most)
        .subquery()
    )
    return await session.scalar(select(func.count()).select_from(rows)) or 0


async def request_cancel(session: AsyncSession, project_id: str, completion_ids: Sequence[str]) -> Sequence[str]:
    """Record that open texts of a project shall end; returns those that were still open.
    A worker carries it out: publish the cancel after the commit."""
    statement = (
        update(Completion)
        .where(
            Completion.id.in_(completion_ids),
            Completion.project_id == project_id,
            Completion.status.in_(COMPLETION.cancellable),
        )
        .values(cancel_requested_at=func.coalesce(Completion.cancel_requested_at, func.now()))
        .returning(Completion.id)
    )
    return (await session.scalars(statement)).all()


async def find_stored_text(session: AsyncSession, stream_id: str) -> StoredText | None:
    """Return what is stored of a stream, of whatever project: the caller compares `project_id`."""
    row = await session.get(Completion, stream_id)
    return None if row is None else to_stored_text(row)


def to_stored_text(row: Completion) -> StoredText:
    """Return a row as the stream's hub needs it."""
    return StoredText(
        stream=row.id,
        project_id=row.project_id,
        status=row.status,
        attempt=row.attempt,
        seq=row.text_seq,
        text=row.text,
        chars=len(row.text),
        sha256=row.sha256,
        usage=usage_of(row),
        finish_reason=row.finish_reason,
        error={key: value for key, value in row.error.items() if key != "status"} if row.error else None,
        extra=tuple((row.extra or {}).get("deltas", ())),
    )


def usage_of(row: Completion) -> dict[str, int] | None:
    """Return OpenAI's usage object, None while the provider has not counted."""
    if row.prompt_tokens is None and row.completion_tokens is None:
        return None
    prompt, completion = row.prompt_tokens or 0, row.completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
