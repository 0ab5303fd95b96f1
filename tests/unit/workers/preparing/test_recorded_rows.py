"""Rows on their way into the database: in batches, each with the origin that its story has."""

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from services.preparation.orders.preparation_order import ROWS_FILE, SourceOrder
from services.workers.preparing.fetching import FetchedSource
from services.workers.preparing.origins import SourceOrigins, write_story_origins
from services.workers.preparing.recording import ROWS_AT_ONCE, batch_rows
from services.workers.preparing.version_identity import identify_version
from shared.stores.db.models import Generation, Story

STORIES = 2 * ROWS_AT_ONCE + 7
DROPPED = 5
"""Every so many stories one was dropped on the way."""


@pytest.fixture
def sources(tmp_path: Path) -> list[FetchedSource]:
    """A run and an uploaded file, and the rows that the process made of them."""
    run = Generation(id="gen_1", recipe_version_id="rv_1", model="asked")
    stories = [
        Story(id=f"story_{n}", generation_id="gen_1", model=None if n % 2 else "told", cost_usd=price(n))
        for n in range(STORIES)
    ]
    with (tmp_path / "told.origins").open("wb") as out:
        write_story_origins(out, run, stories)
    kept = [(0, n + 1) for n in range(STORIES) if n % DROPPED] + [(1, 2), (1, 3)]
    with (tmp_path / ROWS_FILE).open("wb") as out:
        for position, (source, line) in enumerate(kept):
            row = [position, "train", 10 * position, 9, f"{position:064x}", source, line]
            out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return [
        FetchedSource(SourceOrder("a", "a"), SourceOrigins(path=tmp_path / "told.origins")),
        FetchedSource(SourceOrder("b", "b"), SourceOrigins(file_id="file-1")),
    ]


def price(number: int) -> Decimal:
    """What a story cost: digits that no float holds."""
    return Decimal(number) * Decimal("0.000000001") + Decimal("0.1")


async def test_rows_come_in_batches_with_their_origins(sources: list[FetchedSource], tmp_path: Path) -> None:
    batches = [batch async for batch in batch_rows(tmp_path, sources)]
    kept = [n for n in range(STORIES) if n % DROPPED]
    assert [len(batch) for batch in batches] == [ROWS_AT_ONCE, len(kept) + 2 - ROWS_AT_ONCE]
    rows = [row for batch in batches for row in batch]
    assert [row.position for row in rows] == list(range(len(kept) + 2))
    assert [row.story_id for row in rows[:-2]] == [f"story_{n}" for n in kept]
    assert [row.model for row in rows[:2]] == ["asked", "told"]
    assert [(row.file_id, row.line, row.story_id, row.cost_usd) for row in rows[-2:]] == [
        ("file-1", 2, None, None),
        ("file-1", 3, None, None),
    ]


def test_the_cost_of_a_version_is_the_exact_sum(sources: list[FetchedSource], tmp_path: Path) -> None:
    version, cost = identify_version("proj_1", sources, tmp_path, {"stop": "。"})
    again, _ = identify_version("proj_1", sources, tmp_path, {"stop": "。"})
    assert version == again != identify_version("proj_2", sources, tmp_path, {"stop": "。"})[0]
    assert cost.usd == sum(price(n) for n in range(STORIES) if n % DROPPED)
