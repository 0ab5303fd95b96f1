"""Sums over the ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import LedgerEntry

DAY: Final = func.date_trunc("day", LedgerEntry.created_at, "UTC")
FILTERS: Final = {
    "model": LedgerEntry.model,
    "provider": LedgerEntry.provider,
    "api_key_id": LedgerEntry.api_key_id,
    "generation_id": LedgerEntry.generation_id,
    "fine_tuning_job_id": LedgerEntry.fine_tuning_job_id,
    "kind": LedgerEntry.kind,
}
"""What sums can be narrowed to."""
GROUPS: Final = {"day": DAY, **FILTERS}
"""What sums can be taken by."""


async def sum_ledger(
    session: AsyncSession,
    project_id: str,
    group_by: Sequence[str],
    start: datetime,
    end: datetime,
    only: Mapping[str, str] | None = None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return one row per combination of the groups (keys of GROUPS) in [start, end): the groups' values, then
    `requests`, `prompt_tokens`, `completion_tokens`, `cost_usd` (of what has a price) and `unpriced_requests`.
    `only` holds values by keys of FILTERS."""
    groups: list[Any] = [GROUPS[name].label(name) for name in group_by]
    query: Select[*tuple[Any, ...]] = (
        select(
            *groups,
            func.count().label("requests"),
            func.coalesce(func.sum(LedgerEntry.prompt_tokens), 0).label("prompt_tokens"),
            func.coalesce(func.sum(LedgerEntry.completion_tokens), 0).label("completion_tokens"),
            func.coalesce(func.sum(LedgerEntry.cost_usd), 0).label("cost_usd"),
            func.count().filter(LedgerEntry.cost_usd.is_(None)).label("unpriced_requests"),
        )
        .where(LedgerEntry.project_id == project_id, LedgerEntry.created_at >= start, LedgerEntry.created_at < end)
        .where(*(FILTERS[name] == value for name, value in (only or {}).items()))
        .group_by(*groups)
        .order_by(*groups)
    )
    return (await session.execute(query)).all()
