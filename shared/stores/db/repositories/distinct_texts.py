"""The texts of runs whose recipes take none twice: one row a text, so that of two workers with the same one the first
has it, whatever dies in between."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

TAKE: Final = text("""
    with rows as materialized (
        select * from unnest(cast(:hashes as text[]), cast(:story_ids as text[])) as rows (sha256, story_id)),
    taken as (
        insert into distinct_text (generation_id, sha256, story_id)
        select :generation_id, sha256, story_id from rows order by sha256
        on conflict (generation_id, sha256) do update set story_id = distinct_text.story_id
        returning sha256, story_id)
    select sha256, story_id from taken
""")
"""The update changes nothing: it returns, and locks until the commit, what is there. In the order of the hashes, so
that two workers never wait for each other."""


async def take_texts(session: AsyncSession, generation_id: str, story_of: Mapping[str, str]) -> dict[str, str]:
    """Take texts for stories, `story_of` by hash; return which story has each. Call it in the transaction that settles
    them: a text whose story is not written is free again."""
    hashes = sorted(story_of)
    values = {"generation_id": generation_id, "hashes": hashes, "story_ids": [story_of[hash_] for hash_ in hashes]}
    return {row.sha256: row.story_id for row in await session.execute(TAKE, values)}
