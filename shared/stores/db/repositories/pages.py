"""Cursor pages over a table: rows after a given id, in the order of ids (which is the order of time)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows a caller wants: at most `limit`, after the row with id `after`."""

    limit: int = 20
    after: str | None = None
    descending: bool = True


async def fetch_page(
    session: AsyncSession, query: Select[Row], order: InstrumentedAttribute[Any], page: Page, after: Any = None
) -> tuple[Sequence[Row], bool]:
    """Return the rows of a page and whether there are more. `after` is the value of `order` at the cursor, for
    orders other than the id's."""
    start = page.after if after is None else after
    if start is not None:
        query = query.where(order < start if page.descending else order > start)
    query = query.order_by(order.desc() if page.descending else order.asc()).limit(page.limit + 1)
    rows = (await session.scalars(query)).all()
    return rows[: page.limit], len(rows) > page.limit
