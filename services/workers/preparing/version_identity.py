"""What makes a dataset version: its rows, their sides and their origins."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from services.preparation.orders.preparation_order import ROWS_FILE
from services.workers.preparing.fetching import FetchedSource
from shared import ids
from shared.stores.db.repositories.dataset_versions import NewRow, RowOrigin

ID_DIGITS: Final = 40


@dataclass(slots=True)
class StoriesCost:
    """What the stories of a version cost, and how many of them have no known price."""

    known_usd: Decimal = Decimal(0)
    story_count: int = 0
    unpriced_count: int = 0
    unpriced_story_id: str | None = None
    """One of them, whose ledger entry says why."""
    _paired: set[str] = field(default_factory=set)
    """Stories of pairs: they come again, and are paid once."""

    @property
    def usd(self) -> Decimal | None:
        """The sum; None when a part of it is unknown."""
        return None if self.unpriced_count else self.known_usd

    def add(self, origin: RowOrigin) -> None:
        """Count a row's story, or both stories of a pair."""
        if origin.story_id is None:
            return
        if origin.rejected_story_id is None:
            self._add_story(origin.story_id, origin.cost_usd)
            return
        both = ((origin.story_id, origin.cost_usd), (origin.rejected_story_id, origin.rejected_cost_usd))
        for story_id, cost_usd in both:
            if story_id not in self._paired:
                self._paired.add(story_id)
                self._add_story(story_id, cost_usd)

    def _add_story(self, story_id: str, cost_usd: Decimal | None) -> None:
        self.story_count += 1
        if cost_usd is not None:
            self.known_usd += cost_usd
            return
        self.unpriced_count += 1
        self.unpriced_story_id = self.unpriced_story_id or story_id


def identify_version(
    project_id: str, sources: list[FetchedSource], folder: Path, template: dict[str, Any]
) -> tuple[str, StoriesCost]:
    """Return the version's id, and what the stories in it cost."""
    digest = hashlib.sha256(project_id.encode() + orjson.dumps(template, option=orjson.OPT_SORT_KEYS))
    cost = StoriesCost()
    for (_, side, _, _, row_hash, _, line), origin in read_rows(folder, sources):
        told = origin.story_id or f"{origin.file_id}:{line}"
        told += f" {origin.rejected_story_id}" if origin.rejected_story_id else ""
        digest.update(f"{side} {row_hash} {told}\n".encode())
        cost.add(origin)
    return ids.DATASET_VERSION + digest.hexdigest()[:ID_DIGITS], cost


def read_rows(folder: Path, sources: list[FetchedSource]) -> Iterator[tuple[list[Any], RowOrigin]]:
    """Yield what the process wrote of each row (position, side, start, bytes, hash, source, line), and its origin."""
    origins = [source.origins.open() for source in sources]
    with (folder / ROWS_FILE).open("rb") as lines:
        for line in lines:
            value = orjson.loads(line)
            yield value, origins[value[5]].origin_of(value[6])


def make_row(value: list[Any], origin: RowOrigin) -> NewRow:
    """Return a row with its origin."""
    position, side, start, size, *_ = value
    return NewRow(
        story_id=origin.story_id,
        generation_id=origin.generation_id,
        recipe_version_id=origin.recipe_version_id,
        model=origin.model,
        cost_usd=sum_cost(origin),
        rejected_story_id=origin.rejected_story_id,
        file_id=origin.file_id,
        line=origin.line,
        position=position,
        split=side,
        byte_start=start,
        byte_count=size,
    )


def sum_cost(origin: RowOrigin) -> Decimal | None:
    """Return what a row's story cost, or both stories of a pair; None when a part of it is unknown."""
    if origin.rejected_story_id is None:
        return origin.cost_usd
    if origin.cost_usd is None or origin.rejected_cost_usd is None:
        return None
    return origin.cost_usd + origin.rejected_cost_usd
