"""What a finished dataset holds: its report, its rows with their origins, its files."""

import asyncio
import io
from collections.abc import Sequence
from typing import IO, Final

import orjson

from services.gateway.datasets.service import get_dataset
from services.gateway.files.service import get_file
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Dataset, DatasetRow, DatasetVersion, File
from shared.stores.db.repositories import dataset_versions, recipes

ROW_PREFIX: Final = "row_"


async def get_finished(gateway: Gateway, caller: Principal, dataset_id: str) -> tuple[Dataset, DatasetVersion]:
    """Return a prepared dataset. Raises: NotFoundError, ConflictError while it is not prepared."""
    dataset, version = await get_dataset(gateway, caller, dataset_id)
    if version is None:
        raise ConflictError(f"The dataset is {dataset.status}; only a prepared one can be read.", param="id")
    return dataset, version


async def get_side_file(gateway: Gateway, caller: Principal, dataset_id: str, side: str) -> File:
    """Return the training or validation file. Raises: NotFoundError, also when no row was held out."""
    _, version = await get_finished(gateway, caller, dataset_id)
    file_id = version.train_file_id if side == "train" else version.validation_file_id
    if file_id is None:
        raise NotFoundError("The dataset has no validation rows: its validation_share is 0, or it is too small.")
    return await get_file(gateway, caller, file_id)


async def get_report_file(gateway: Gateway, caller: Principal, dataset_id: str) -> File:
    """Return the report as a page."""
    dataset, _ = await get_finished(gateway, caller, dataset_id)
    assert dataset.report_file_id is not None
    return await get_file(gateway, caller, dataset.report_file_id)


async def list_rows(
    gateway: Gateway, caller: Principal, dataset_id: str, *, limit: int, after: int | None, split: str | None
) -> tuple[list[Json], bool]:
    """Return a page of rows: text and origin."""
    _, version = await get_finished(gateway, caller, dataset_id)
    async with gateway.database.transaction() as session:
        rows, has_more = await dataset_versions.list_rows(session, version.id, limit=limit, after=after, split=split)
        known = await recipes.list_versions(session, [row.recipe_version_id for row in rows if row.recipe_version_id])
    recipe_numbers = {version_id: (recipe.name, made.number) for version_id, (recipe, made) in known.items()}
    texts: dict[int, Json] = {}
    for side in {row.split for row in rows}:
        file = await get_side_file(gateway, caller, dataset_id, side)
        wanted = [row for row in rows if row.split == side]
        texts |= await asyncio.to_thread(read_stretches, gateway, file.sha256, wanted)
    return [shape_row(row, texts[row.position], recipe_numbers) for row in rows], has_more


def read_stretches(gateway: Gateway, sha256: str, rows: Sequence[DatasetRow]) -> dict[int, Json]:
    """Return the rows of one file, by position. Raises: NotFoundError when the bytes are gone from the store."""
    try:
        with gateway.objects.open(sha256) as source:
            return {row.position: orjson.loads(read_stretch(source, row)) for row in rows}
    except FileNotFoundError as error:
        raise NotFoundError("The dataset's file is not in the object store.", param="id") from error


def read_stretch(source: IO[bytes], row: DatasetRow) -> bytes:
    """Return a row's bytes."""
    source.seek(row.byte_start, io.SEEK_SET)
    return source.read(row.byte_count)


def shape_row(row: DatasetRow, text: Json, recipe_numbers: dict[str | None, tuple[str, int]]) -> Json:
    """Return a row with where it came from."""
    name, number = recipe_numbers.get(row.recipe_version_id, (None, None))
    return {
        "id": f"{ROW_PREFIX}{row.position}",
        "object": "dataset.row",
        "split": row.split,
        "row": text,
        "story_id": row.story_id,
        "rejected_story_id": row.rejected_story_id,
        "generation_id": row.generation_id,
        "recipe": name,
        "recipe_version": number,
        "recipe_version_id": row.recipe_version_id,
        "model": row.model,
        "cost_usd": None if row.cost_usd is None else float(row.cost_usd),
        "file_id": row.file_id,
        "line": row.line,
    }
