"""The books: one entry per upstream call that may have cost something."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.recordset import encode_rows


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A settled attempt to book; what it cost and used is read from the attempt."""

    attempt_id: str
    api_key_id: str
    price_note: str | None
    id: str = field(default_factory=lambda: ids.new_id(ids.LEDGER_ENTRY))


BOOK_ATTEMPTS: Final = text("""
    insert into ledger_entry (id, project_id, api_key_id, attempt_id, generation_id, provider, model, prompt_tokens,
                              completion_tokens, cost_usd, price_note)
    select rows.id, attempt.project_id, rows.api_key_id, attempt.id, attempt.generation_id, attempt.provider,
           attempt.model, attempt.prompt_tokens, attempt.completion_tokens, attempt.spent_usd, rows.price_note
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt_id text, api_key_id text, price_note text)
    join attempt on attempt.id = rows.attempt_id
    on conflict (attempt_id) do update
    set prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
        cost_usd = excluded.cost_usd, price_note = excluded.price_note
""")


async def book_attempts(session: AsyncSession, lines: Sequence[LedgerLine]) -> None:
    """Enter settled attempts. An attempt that was charged as unknown, and whose answer came after all, is corrected:
    it keeps one entry."""
    if lines:
        await session.execute(BOOK_ATTEMPTS, {"rows": encode_rows(lines)})
