"""The sources of a dataset as local files, beside them the origin of every row."""

import asyncio
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import orjson

from services.workers.context import WorkerContext
from services.workers.datasets.errors import DatasetError
from services.workers.datasets.findings.cut_off import REASON_COLUMN
from services.workers.datasets.order import SourceOrder
from services.workers.datasets.origins import SourceOrigins, write_story_origins
from shared.db.models import RecipeVersion, Story
from shared.db.repositories import files, generations, recipes
from shared.db.repositories.dataset_claims import ClaimedDataset
from shared.db.repositories.stories import iterate_succeeded
from shared.recipes.template import compile_template

KNOWN_ENDINGS: Final = frozenset({".csv", ".tsv", ".xlsx", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".gz"})


class MissingSourceError(DatasetError):
    """A source was deleted meanwhile, or holds nothing that can be used."""

    code = "missing_source"


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A local file, and where its rows come from."""

    order: SourceOrder
    origins: SourceOrigins


async def fetch_sources(context: WorkerContext, claimed: ClaimedDataset, folder: Path) -> list[FetchedSource]:
    """Write every source into `folder`. Raises: MissingSourceError."""
    fetched = []
    for index, source in enumerate(claimed.request["sources"]):
        if "file" in source:
            fetched.append(await fetch_file(context, claimed, source["file"], folder / f"source-{index}"))
        else:
            path = folder / f"source-{index}.jsonl"
            fetched.append(await fetch_stories(context, claimed, source["generation"], path))
    return fetched


async def fetch_file(context: WorkerContext, claimed: ClaimedDataset, file_id: str, path: Path) -> FetchedSource:
    """Copy an uploaded file out of the store. Raises: MissingSourceError."""
    async with context.database.transaction() as session:
        file = await files.find_file(session, claimed.project_id, file_id)
    if file is None:
        raise MissingSourceError(f"The file '{file_id}' was deleted.")
    endings = [ending for ending in PurePath(file.filename.lower()).suffixes if ending in KNOWN_ENDINGS]
    target = path.with_name(path.name + "".join(endings[-2:]))
    try:
        await asyncio.to_thread(context.objects.fetch, file.sha256, target)
    except FileNotFoundError as error:
        raise MissingSourceError(f"The bytes of '{file_id}' are not in the object store.") from error
    return FetchedSource(SourceOrder(str(target), file.filename), SourceOrigins(file_id=file_id))


async def fetch_stories(context: WorkerContext, claimed: ClaimedDataset, run_id: str, path: Path) -> FetchedSource:
    """Write the stories of a run that no reviewer has rejected, in its order. Raises: MissingSourceError."""
    async with context.database.transaction() as session:
        run = await generations.find_generation(session, claimed.project_id, run_id)
        if run is None:
            raise MissingSourceError(f"The generation '{run_id}' is gone.")
        _, version = await recipes.get_version(session, run.recipe_version_id)
    writer = StoryWriter(claimed.request, version)
    told, count = path.with_suffix(".origins"), 0
    with path.open("wb") as out, told.open("wb") as origins:
        async for batch in iterate_succeeded(context.database.transaction, run_id):
            usable = [story for story in batch if story.review != "rejected" and story.text]
            out.writelines(writer.write(story) for story in usable)
            write_story_origins(origins, run, usable)
            count += len(usable)
    if not count:
        raise MissingSourceError(f"The generation '{run_id}' has no finished story that was not rejected.")
    return FetchedSource(SourceOrder(str(path), run_id), SourceOrigins(path=told))


class StoryWriter:
    """Turns stories of one run into lines of prompt and completion."""

    def __init__(self, request: dict[str, Any], version: RecipeVersion) -> None:
        self._short = request["prompt"] == "attributes"
        self._separator: str = request["attribute_separator"]
        self._stratify: str | None = request["stratify"]
        self._names = version.attribute_names
        self._template = compile_template(version.template)

    def write(self, story: Story) -> bytes:
        """Return a story's line."""
        attributes = {name: story.attributes[name] for name in self._names}
        label = {self._stratify: str(attributes[self._stratify])} if self._stratify in attributes else {}
        if self._short:
            prompt = self._separator.join(str(value) for value in attributes.values())
        else:
            prompt = self._template.render(attributes)
        # A text that a reviewer mended is not cut off any more.
        reason = story.finish_reason if story.original_text is None else None
        row = {**label, REASON_COLUMN: reason, "prompt": prompt, "completion": story.text}
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
