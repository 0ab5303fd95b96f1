"""How far a run's grid is filled, by two of its attributes; and why stories failed."""

from dataclasses import asdict
from typing import Any, Final

import orjson

from services.gateway.generations.service import get_run
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.stores.db.repositories import story_coverage
from shared.stores.db.repositories.story_coverage import CoverageCell

MOST_CELLS: Final = 10_000


async def describe_coverage(
    gateway: Gateway, caller: Principal, generation_id: str, x: str | None, y: str | None
) -> Json:
    """Return the counts of each pair of values; without names, of the recipe's first two attributes.

    Raises: NotFoundError for the run, InvalidRequestError for an attribute that its recipe does not have."""
    run, _, version = await get_run(gateway, caller, generation_id)
    names = version.attribute_names
    for param, name in (("x", x), ("y", y)):
        if name is not None and name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise InvalidRequestError(f"The run's recipe has no attribute '{name}': {has}.", param=param)
    if x is None and names:
        x, y = names[0], y or (names[1] if len(names) > 1 else None)
    cells: list[CoverageCell] = []
    has_more = False
    if x is not None:
        async with gateway.database.transaction() as session:
            cells, has_more = await story_coverage.count_cells(session, run.id, x, y if y != x else None, MOST_CELLS)
    return {
        "object": "generation.coverage",
        "attributes": names,
        "x": {"name": x, "values": list_values([cell.x for cell in cells])},
        "y": {"name": y if y != x else None, "values": list_values([cell.y for cell in cells])},
        "cells": [asdict(cell) for cell in cells],
        "has_more": has_more,
    }


async def describe_cells(gateway: Gateway, caller: Principal, generation_id: str) -> Json:
    """Return how many cells of the run's grid have all their stories. Raises: NotFoundError for the run."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.transaction() as session:
        filled, cells = await story_coverage.count_filled_cells(session, run.id, run.total, run.layers or [run.repeats])
    return {"object": "generation.cells", "id": run.id, "total": cells, "filled": filled}


async def list_failures(gateway: Gateway, caller: Principal, generation_id: str) -> list[Json]:
    """Return why the run's stories failed, each class once. Raises: NotFoundError when there is no such run."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.transaction() as session:
        counts = await story_coverage.count_failures(session, run.id)
    return [{"id": count.failure_class, "object": "generation.failure", **asdict(count)} for count in counts]


def list_values(values: list[Any]) -> list[Any]:
    """Return each value once, in the order of their first stories."""
    first: dict[bytes, Any] = {}
    for value in values:
        first.setdefault(orjson.dumps(value), value)
    return list(first.values())
