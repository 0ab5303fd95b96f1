"""The outcome of a preparation, in one transaction: files, version, rows, and the dataset's own state."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.preparation.orders.preparation_order import PAGE_FILE, RESULT_FILE, TRAIN_FILE, VALIDATION_FILE
from services.workers.leases.row_kind import LostRowError
from services.workers.preparing.child import CrashedPreparationError
from services.workers.preparing.fetching import FetchedSource
from services.workers.preparing.version_identity import StoriesCost, identify_version, make_row, read_rows
from services.workers.process.context import WorkerContext
from services.workers.process.object_rows import Stored, write_with_objects
from shared.contracts.storable import encode_storable_json
from shared.observability.logs import get_logger
from shared.stores.db.models import DatasetVersion, File
from shared.stores.db.repositories import files
from shared.stores.db.repositories.dataset_claims import ClaimedDataset, fail_dataset, finish_dataset
from shared.stores.db.repositories.dataset_versions import NewRow, add_rows, add_version, find_price_note, lock_version
from shared.stores.objects.object_store import StoredObject

ROWS_AT_ONCE: Final = 5_000
TRAINING: Final = "fine-tune"
REPORT: Final = "user_data"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedVersion:
    """What a preparation has left in its folder."""

    claimed: ClaimedDataset
    sources: list[FetchedSource]
    folder: Path
    result: dict[str, Any]
    report: str
    """The result as it is kept; encoded beside the loop, and outside of every transaction."""
    version_id: str
    cost: StoriesCost

    async def write(self, session: AsyncSession, stored: Stored) -> None:
        """Write everything; equal rows of equal origin are one version. Raises: LostRowError when another worker
        has claimed the dataset."""
        if not await lock_version(session, self.version_id):
            await self._add_version(session, stored)
        name = f"{self.claimed.id}_report.html"
        page = await add_file(session, self.claimed, name, REPORT, stored[PAGE_FILE])
        cost = await describe_cost(session, self.cost)
        if not await finish_dataset(
            session,
            self.claimed,
            version_id=self.version_id,
            report=self.report,
            cost=cost,
            report_file_id=page.id,
        ):
            raise LostRowError(self.claimed.id)

    async def _add_version(self, session: AsyncSession, stored: Stored) -> None:
        train = await self._add_side(session, "train", stored[TRAIN_FILE])
        held_out = stored.get(VALIDATION_FILE)
        validation = await self._add_side(session, "validation", held_out) if held_out else None
        await add_version(
            session,
            DatasetVersion(
                id=self.version_id,
                project_id=self.claimed.project_id,
                template=self.result["template"],
                train_rows=self.result["counts"]["train"],
                validation_rows=self.result["counts"]["validation"],
                cost_usd=self.cost.usd,
                train_file_id=train.id,
                validation_file_id=validation.id if validation else None,
            ),
        )
        async for batch in batch_rows(self.folder, self.sources):
            await add_rows(session, self.version_id, batch)

    async def _add_side(self, session: AsyncSession, side: str, stored: StoredObject) -> File:
        return await add_file(session, self.claimed, f"{self.version_id}_{side}.jsonl", TRAINING, stored)


async def batch_rows(folder: Path, sources: list[FetchedSource]) -> AsyncIterator[list[NewRow]]:
    """Yield the rows, so many at once that neither memory nor a statement grows with their number."""
    rows = read_rows(folder, sources)

    def make_batch() -> list[NewRow]:
        return [make_row(value, origin) for value, origin in islice(rows, ROWS_AT_ONCE)]

    while batch := await asyncio.to_thread(make_batch):
        yield batch


async def describe_cost(session: AsyncSession, cost: StoriesCost) -> dict[str, Any]:
    """Return what the version's stories cost, or why that is not known."""
    note = None
    if cost.unpriced_story_id is not None:
        reason = await find_price_note(session, cost.unpriced_story_id) or "no call of it is on the books"
        note = f"{cost.unpriced_count} of {cost.story_count} stories have no known price: {reason}"
    return {
        "known_usd": str(cost.known_usd),
        "stories": cost.story_count,
        "unpriced_stories": cost.unpriced_count,
        "note": note,
    }


async def record_outcome(
    context: WorkerContext, claimed: ClaimedDataset, sources: list[FetchedSource], folder: Path
) -> None:
    """Record a good end. Raises: LostRowError when the dataset is not ours any more."""
    result, report = await asyncio.to_thread(read_result, folder / RESULT_FILE)
    version_id, cost = await asyncio.to_thread(
        identify_version, claimed.project_id, sources, folder, result["template"]
    )
    outcome = PreparedVersion(claimed, sources, folder, result, report, version_id, cost)
    names = [TRAIN_FILE, PAGE_FILE, *([VALIDATION_FILE] if (folder / VALIDATION_FILE).exists() else [])]
    await write_with_objects(context, {name: folder / name for name in names}, outcome.write)
    log.info("dataset_prepared", dataset=claimed.id, version=version_id, rows=result["counts"]["kept"])


def read_result(path: Path) -> tuple[dict[str, Any], str]:
    """Return what a preparation has come to, and the same as storable JSON. It may be many megabytes: call it in a
    thread."""
    result: dict[str, Any] = orjson.loads(path.read_bytes())
    return result, encode_storable_json(result).decode()


async def record_failure(
    context: WorkerContext, claimed: ClaimedDataset, error: dict[str, Any], copies: dict[str, Path]
) -> None:
    """Record a bad end. The good rows and the bad pieces of a file that could not be read become files. Raises:
    LostRowError when the dataset is not ours any more."""

    async def write(session: AsyncSession, stored: Stored) -> None:
        named = dict(error)
        for name, item in stored.items():
            filename = f"{claimed.id}_{name}{copies[name].suffix}"
            named[f"{name}_file"] = (await add_file(session, claimed, filename, REPORT, item)).id
        if not await fail_dataset(session, claimed, named):
            raise LostRowError(claimed.id)

    await write_with_objects(context, copies, write)
    log.info("dataset_failed", dataset=claimed.id, code=error["code"])


def describe_crash(message: str) -> dict[str, Any]:
    """Return the error of a preparation that ended without an outcome."""
    return {"code": CrashedPreparationError.code, "message": message, "line": None, "column": None}


async def add_file(
    session: AsyncSession, claimed: ClaimedDataset, filename: str, purpose: str, stored: StoredObject
) -> File:
    """Insert a file of the dataset's project."""
    return await files.add_file(
        session,
        project_id=claimed.project_id,
        filename=filename,
        purpose=purpose,
        sha256=stored.sha256,
        size=stored.bytes,
    )
