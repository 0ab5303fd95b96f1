"""Datasets: added and read by the gateway. Workers claim and finish them elsewhere."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.contracts.statuses import DATASET
from shared.stores.db.models import Dataset
from shared.stores.db.repositories.pages import Page, fetch_page


async def add_dataset(session: AsyncSession, *, project_id: str, api_key_id: str, request: dict[str, Any]) -> Dataset:
    """Insert a preparation as `queued`. Send its message after the commit."""
    dataset = Dataset(
        id=ids.new_id(ids.DATASET), project_id=project_id, api_key_id=api_key_id, request=request, status="queued"
    )
    session.add(dataset)
    await session.flush()
    await session.refresh(dataset)
    return dataset


async def find_dataset(session: AsyncSession, project_id: str, dataset_id: str) -> Dataset | None:
    """Return a dataset of the project."""
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def cancel_dataset(session: AsyncSession, dataset_id: str) -> None:
    """End a preparation that is not over; who prepares it loses the row at its next renewal, and writes nothing."""
    open_ones = Dataset.status.in_(DATASET.cancellable)
    values = {"status": "cancelled", "lease_until": None, "finished_at": func.now()}
    await session.execute(update(Dataset).where(Dataset.id == dataset_id, open_ones).values(values))


async def list_datasets(
    session: AsyncSession, project_id: str, page: Page, *, status: str | None = None
) -> tuple[Sequence[Dataset], bool]:
    """Return a page of a project's datasets and whether there is more."""
    query = select(Dataset).where(Dataset.project_id == project_id)
    if status is not None:
        query = query.where(Dataset.status == status)
    return await fetch_page(session, query, Dataset.id, page)
