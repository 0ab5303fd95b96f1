"""Interactive completions: added and read by the gateway, read by whoever streams them. Workers claim elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, null, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.kept_errors import show_error
from shared.contracts.result_requests import RESULT_KINDS
from shared.contracts.statuses import COMPLETION
from shared.contracts.stream.stored_text import StoredText
from shared.stores.db.models import Completion
from shared.stores.db.recordset import encode_rows
from shared.stores.db.repositories.completion_claims import FinishedText


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


TAKE_TURN: Final = text("""
    select pg_advisory_xact_lock(hashtextextended('open texts ' || cast(:project_id as text), 3))
    where :row_count <= :most_open - (
        select count(*) from (
            select 1 from completion
            where project_id = :project_id and status in ('queued', 'running') limit :most_open) as open)
""")
"""The count is taken before the turn: who finds no room leaves at once and holds up nobody."""

ADD: Final = text("""
    insert into completion (id, project_id, api_key_id, request_id, choice_index, kind, model, request, status)
    select id, project_id, api_key_id, request_id, choice_index, kind, model, request, 'queued'
    from json_to_recordset(cast(:rows as json)) as rows (
        id text, project_id text, api_key_id text, request_id text, choice_index int, kind text, model text,
        request jsonb)
    where cast(:most_open as bigint) is null or :row_count <= :most_open - (
        select count(*) from (
            select 1 from completion
            where project_id = :project_id and status in ('queued', 'running') limit :most_open) as open)
    returning id
""")
"""Counts and inserts in one statement: on the way of every text each statement more is felt."""


async def take_turn_to_add(session: AsyncSession, project_id: str, row_count: int, most_open: int) -> bool:
    """Wait until nobody else adds texts to the project; it is our turn until the end of the transaction. False, without
    waiting, when there is no room for so many anyway."""
    values = {"project_id": project_id, "row_count": row_count, "most_open": most_open}
    return (await session.execute(TAKE_TURN, values)).one_or_none() is not None


async def add_completions(
    session: AsyncSession, completions: Sequence[NewCompletion], *, most_open: int | None = None
) -> bool:
    """Insert a project's texts as `queued`, and send their messages after the commit. False, with nothing written, when
    the project would then have more than `most_open` texts queued or running: exact for whoever has taken its turn
    (`take_turn_to_add`)."""
    values = {
        "rows": encode_rows(completions),
        "row_count": len(completions),
        "project_id": completions[0].project_id,
        "most_open": most_open,
    }
    return bool((await session.scalars(ADD, values)).all())


async def find_completion(session: AsyncSession, project_id: str, completion_id: str) -> Completion | None:
    """Return a text of the project."""
    query = select(Completion).where(Completion.id == completion_id, Completion.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def list_completions(session: AsyncSession, request_id: str) -> Sequence[Completion]:
    """Return the texts of one request in the order of its choices."""
    query = select(Completion).where(Completion.request_id == request_id).order_by(Completion.choice_index)
    return (await session.scalars(query)).all()


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


async def forget_results(session: AsyncSession, request_id: str) -> None:
    """Drop what came in place of texts."""
    of_request = Completion.request_id == request_id
    await session.execute(update(Completion).where(of_request, Completion.kind.in_(RESULT_KINDS)).values(extra=null()))


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
        error=show_error(row.error),
        told=told_of(row),
        finished_at=row.finished_at,
        extra=tuple((row.extra or {}).get("deltas", ())),
        extra_at=tuple((row.extra or {}).get("at", ())),
    )


def usage_of(row: Completion | FinishedText) -> dict[str, Any] | None:
    """Return OpenAI's usage object with the details that the provider told; None while it has not counted."""
    prompt, completion = row.prompt_tokens, row.completion_tokens
    if prompt is None or completion is None:
        return None
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counts, **(row.told or {}).get("usage", {})}


def told_of(row: Completion | FinishedText) -> dict[str, Any] | None:
    """Return what the provider's answer said of itself: `system_fingerprint`, `service_tier`."""
    return {name: value for name, value in (row.told or {}).items() if name != "usage"} or None
