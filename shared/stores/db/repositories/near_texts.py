"""The texts of runs whose recipes take none that is nearly another: a signature for each, found by the buckets it
lies in.

Shared by all workers of a run and as durable as its stories. Knows not what near is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.recordset import encode_rows

MOST_CANDIDATES: Final = 20_000
"""For the texts of one settlement; more share a bucket only where all texts of a run are much alike."""


@dataclass(frozen=True, slots=True)
class TakenText:
    """A story's text as it is compared."""

    story_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class NewNearText:
    """A text that is taken."""

    story_id: str
    signature_hex: str
    keys: Sequence[int]


LOCK: Final = text("""
    select pg_advisory_xact_lock(hashtextextended(:generation_id, 0)), set_config('enable_seqscan', 'off', true)
""")
"""With the setting for the rest of the transaction: the planner thinks little of an index that is asked for a thousand
keys at once, and would hold each row of the table, or of the run (therefore no look-up by its id), to all of them."""
FIND: Final = text("""
    select story_id, signature from near_text
    where keys && cast(:keys as bigint[]) and generation_id || '' = :generation_id
    limit :most
""")
ADD: Final = text("""
    insert into near_text (generation_id, story_id, signature, keys)
    select :generation_id, story_id, decode(signature_hex, 'hex'), keys
    from json_to_recordset(cast(:rows as json)) as rows (story_id text, signature_hex text, keys bigint[])
    on conflict (generation_id, story_id) do update set signature = excluded.signature, keys = excluded.keys
""")
"""A story that has a text already has another one now: that one was not taken after all."""


async def lock_near_texts(session: AsyncSession, generation_id: str) -> None:
    """Let no other worker compare or add texts of a run until the commit: of two near ones the first has to be seen.
    Ask for it before any row is locked: who waits for it must hold up nobody, least of all the renewal of leases."""
    await session.execute(LOCK, {"generation_id": generation_id})


async def find_candidates(session: AsyncSession, generation_id: str, keys: Iterable[int]) -> list[TakenText]:
    """Return the texts of a run that lie in one of these buckets; `lock_near_texts` goes before."""
    values = {"generation_id": generation_id, "keys": sorted(set(keys)), "most": MOST_CANDIDATES}
    return [TakenText(*row) for row in await session.execute(FIND, values)]


async def add_near_texts(session: AsyncSession, generation_id: str, texts: Sequence[NewNearText]) -> None:
    """Keep texts, one for a story, in the transaction that settles their stories."""
    await session.execute(ADD, {"generation_id": generation_id, "rows": encode_rows(texts)})
