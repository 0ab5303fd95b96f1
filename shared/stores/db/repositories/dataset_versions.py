"""Dataset versions and their rows: written once, read by many."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import case, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Attempt, Dataset, DatasetRow, DatasetVersion, LedgerEntry
from shared.stores.db.recordset import encode_rows


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """Where a row came from: a story of a run, or a line of an uploaded file."""

    story_id: str | None = None
    generation_id: str | None = None
    recipe_version_id: str | None = None
    model: str | None = None
    cost_usd: Decimal | None = None
    file_id: str | None = None
    line: int | None = None
    rejected_story_id: str | None = None
    """Of a preference pair: the story that `story_id` is preferred to."""
    rejected_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NewRow(RowOrigin):
    """A row of a version."""

    position: int = 0
    split: str = "train"
    byte_start: int = 0
    byte_count: int = 0


INSERT_ROWS: Final = text("""
    insert into dataset_row (version_id, position, split, byte_start, byte_count, story_id, generation_id,
                             recipe_version_id, model, cost_usd, file_id, line, rejected_story_id)
    select :version_id, position, split, byte_start, byte_count, story_id, generation_id, recipe_version_id, model,
           cost_usd, file_id, line, rejected_story_id
    from json_to_recordset(cast(:rows as json)) as rows (
        position bigint, split text, byte_start bigint, byte_count int, story_id text, generation_id text,
        recipe_version_id text, model text, cost_usd numeric, file_id text, line bigint,
        rejected_story_id text)
""")


async def lock_version(session: AsyncSession, version_id: str) -> bool:
    """Take turns with others who made the same rows; say whether the version is there already."""
    await session.execute(text("select pg_advisory_xact_lock(hashtextextended(:id, 1))"), {"id": version_id})
    return await session.get(DatasetVersion, version_id) is not None


async def add_version(session: AsyncSession, version: DatasetVersion) -> None:
    """Insert a version, so that its rows can follow. Hold it: see `lock_version`."""
    session.add(version)
    await session.flush()


async def add_rows(session: AsyncSession, version_id: str, rows: Sequence[NewRow]) -> None:
    """Insert rows of a version that is being written."""
    await session.execute(INSERT_ROWS, {"version_id": version_id, "rows": encode_rows(rows)})


async def list_versions(session: AsyncSession, version_ids: Collection[str]) -> dict[str, DatasetVersion]:
    """Return versions by id."""
    found = await session.scalars(select(DatasetVersion).where(DatasetVersion.id.in_(set(version_ids))))
    return {version.id: version for version in found}


async def find_version_of_file(session: AsyncSession, project_id: str, file_id: str) -> str | None:
    """Return the newest version of the project whose training rows are this file."""
    query = (
        select(DatasetVersion.id)
        .where(DatasetVersion.train_file_id == file_id, DatasetVersion.project_id == project_id)
        .order_by(DatasetVersion.created_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def list_rows(
    session: AsyncSession, version_id: str, *, limit: int, after: int | None = None, split: str | None = None
) -> tuple[Sequence[DatasetRow], bool]:
    """Return rows in their order and whether there are more."""
    query = select(DatasetRow).where(DatasetRow.version_id == version_id)
    if split is not None:
        query = query.where(DatasetRow.split == split)
    if after is not None:
        query = query.where(DatasetRow.position > after)
    rows = (await session.scalars(query.order_by(DatasetRow.position).limit(limit + 1))).all()
    return rows[:limit], len(rows) > limit


async def list_datasets_of_story(session: AsyncSession, story_id: str) -> list[dict[str, Any]]:
    """Return where a story went: every dataset that holds it, with version, side and place, and its role in a pair."""
    role = case(
        (DatasetRow.rejected_story_id.is_(None), None),
        (DatasetRow.rejected_story_id == story_id, "rejected"),
        else_="preferred",
    )
    query = (
        select(Dataset.id, DatasetRow.version_id, DatasetRow.split, DatasetRow.position, role)
        .join(Dataset, Dataset.version_id == DatasetRow.version_id)
        .where(or_(DatasetRow.story_id == story_id, DatasetRow.rejected_story_id == story_id))
        .order_by(Dataset.id, DatasetRow.position)
    )
    found = await session.execute(query)
    return [
        {"dataset_id": dataset, "version": version, "split": split, "position": position}
        | ({"role": role} if role else {})
        for dataset, version, split, position, role in found
    ]


async def find_price_note(session: AsyncSession, story_id: str) -> str | None:
    """Return why a story's cost is not known, as the ledger has it; None when no call is on the books."""
    query = (
        select(LedgerEntry.price_note)
        .join(Attempt, Attempt.id == LedgerEntry.attempt_id)
        .where(Attempt.subject_id == story_id, LedgerEntry.cost_usd.is_(None))
        .order_by(Attempt.number.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()
