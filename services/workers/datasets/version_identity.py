"""What makes a dataset version: its rows, their sides and their origins."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from services.workers.datasets.fetching import FetchedSource
from services.workers.datasets.order import ROWS_FILE
from shared import ids
from shared.db.repositories.dataset_versions import NewRow

ID_DIGITS: Final = 40


def identify_version(
    project_id: str, sources: list[FetchedSource], folder: Path, template: dict[str, Any]
) -> tuple[str, Decimal | None]:
    """Return the version's id, and what the stories in it cost (None when one of them has no price)."""
    digest = hashlib.sha256(project_id.encode() + orjson.dumps(template, option=orjson.OPT_SORT_KEYS))
    cost: Decimal | None = Decimal(0)
    for _, side, _, _, row_hash, source, line in read_rows(folder):
        origin = sources[source].origin_of(line)
        digest.update(f"{side} {row_hash} {origin.story_id or f'{origin.file_id}:{line}'}\n".encode())
        if origin.story_id is not None:
            cost = None if cost is None or origin.cost_usd is None else cost + origin.cost_usd
    return ids.DATASET_VERSION + digest.hexdigest()[:ID_DIGITS], cost


def read_rows(folder: Path) -> Iterator[list[Any]]:
    """Yield what the process wrote of each row: position, side, start, bytes, hash, source, line."""
    with (folder / ROWS_FILE).open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def make_row(value: list[Any], sources: list[FetchedSource]) -> NewRow:
    """Return a row with its origin."""
    position, side, start, size, _, source, line = value
    origin = sources[source].origin_of(line)
    return NewRow(
        story_id=origin.story_id,
        generation_id=origin.generation_id,
        recipe_version_id=origin.recipe_version_id,
        model=origin.model,
        cost_usd=origin.cost_usd,
        file_id=origin.file_id,
        line=origin.line,
        position=position,
        split=side,
        byte_start=start,
        byte_count=size,
    )
