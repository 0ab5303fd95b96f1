"""The lines of a batch as its run has answered them: rows of `story`, without the requests, which may be large."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CUSTOM_ID: Final = "custom_id"
REQUEST: Final = "request"
MAX_TOKENS: Final = "max_tokens"
"""The attributes of a line: its name; its request as JSON text, whose members keep their order so; and how long the
answer may be, so that a claim reads no request. Lines of an earlier release have no such number."""
LINES_AT_ONCE: Final = 200
CLOSED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of one request."""

    id: str
    position: int
    custom_id: str
    status: str
    text: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    failure_class: str | None
    failure_message: str | None
    answer: dict[str, Any] | None
    finished_at: datetime | None


READ: Final = text("""
    select id, position, attributes ->> 'custom_id', status, text, finish_reason, prompt_tokens, completion_tokens,
           failure_class, failure_message, answer, finished_at
    from story where generation_id = :generation_id and position > :position order by position limit :row_limit
""")

CLOSE: Final = text("""
    with unasked as (
        select id from story where generation_id = :generation_id and status = 'queued'
        order by id limit :row_limit for update)
    update story set status = 'cancelled', finished_at = now() from unasked where story.id = unasked.id
    returning 1
""")


async def close_unasked_lines(session: AsyncSession, generation_id: str) -> bool:
    """Cancel some of the lines that nobody will ask for any more, so that an answer that comes after all changes
    nothing; return whether there may be more."""
    values = {"generation_id": generation_id, "row_limit": CLOSED_AT_ONCE}
    return len((await session.execute(CLOSE, values)).all()) == CLOSED_AT_ONCE


async def iterate_lines(
    open_transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]], generation_id: str
) -> AsyncIterator[Sequence[BatchLine]]:
    """Yield every line in the order of the file, some at a time: each a short transaction of its own."""
    position = -1
    while True:
        values = {"generation_id": generation_id, "position": position, "row_limit": LINES_AT_ONCE}
        async with open_transaction() as session:
            lines = [BatchLine(*row) for row in await session.execute(READ, values)]
        if lines:
            yield lines
            position = lines[-1].position
        if len(lines) < LINES_AT_ONCE:
            return
