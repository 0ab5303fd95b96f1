"""The sources of a dataset as local files, beside them the origin of every row."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Final

from services.preparation.errors import DatasetError
from services.preparation.orders.preparation_order import SourceOrder
from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.source_file import EXTENSIONS
from services.preparation.rows.reviewed_pairs import ACCEPTED, REJECTED, NoReviewedPairsError, PairBook, ReviewedStory
from services.workers.preparing.origins import SourceOrigins, describe_story, write_story_origins
from services.workers.preparing.story_lines import StoryWriter
from services.workers.process.context import WorkerContext
from shared.stores.db.models import Generation, RecipeVersion, Story
from shared.stores.db.repositories import files, generations, recipes
from shared.stores.db.repositories.dataset_claims import ClaimedDataset
from shared.stores.db.repositories.stories import iterate_succeeded

KNOWN_ENDINGS: Final = frozenset({*EXTENSIONS, ".gz"})


CHOICES: Final = tuple(field.name for field in fields(ReadingChoices))


class MissingSourceError(DatasetError):
    """A source was deleted meanwhile, or holds nothing that can be used."""

    code = "missing_source"


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A local file, and where its rows come from."""

    order: SourceOrder
    origins: SourceOrigins


async def fetch_sources(context: WorkerContext, claimed: ClaimedDataset, folder: Path) -> list[FetchedSource]:
    """Write every source into `folder`. Raises: MissingSourceError when one was deleted since the order."""
    fetched = []
    for index, source in enumerate(claimed.request["sources"]):
        if "file" in source:
            fetched.append(await fetch_file(context, claimed, source, folder / f"source-{index}"))
        else:
            path = folder / f"source-{index}.jsonl"
            fetch = fetch_pairs if claimed.request["format"] == "preference" else fetch_stories
            fetched.append(await fetch(context, claimed, source["generation"], path))
    return fetched


async def fetch_file(
    context: WorkerContext, claimed: ClaimedDataset, source: dict[str, str], path: Path
) -> FetchedSource:
    """Copy an uploaded file out of the store. Raises: MissingSourceError when it was deleted since the order."""
    file_id = source["file"]
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
    return FetchedSource(SourceOrder(str(target), file.filename, take_choices(source)), SourceOrigins(file_id=file_id))


def take_choices(source: dict[str, str]) -> ReadingChoices:
    """Return what the request says about a file."""
    return ReadingChoices(**{name: source[name] for name in CHOICES if name in source})


async def find_run(context: WorkerContext, claimed: ClaimedDataset, run_id: str) -> tuple[Generation, RecipeVersion]:
    """Return a run and the recipe version that it wrote from. Raises: MissingSourceError when it was deleted since the
    order."""
    async with context.database.transaction() as session:
        run = await generations.find_generation(session, claimed.project_id, run_id)
        if run is None:
            raise MissingSourceError(f"The generation '{run_id}' is gone.")
        _, version = await recipes.get_version(session, run.recipe_version_id)
    return run, version


async def fetch_stories(context: WorkerContext, claimed: ClaimedDataset, run_id: str, path: Path) -> FetchedSource:
    """Write the stories of a run that no reviewer has rejected, in its order. Raises: MissingSourceError when the run
    is gone, or no story is left."""
    run, version = await find_run(context, claimed, run_id)
    writer = StoryWriter(claimed.request, version)
    told, count = path.with_suffix(".origins"), 0
    with path.open("wb") as out, told.open("wb") as origins:

        def write(batch: Sequence[Story]) -> int:
            usable = [story for story in batch if story.review != "rejected" and story.text]
            out.writelines(writer.write(story) for story in usable)
            write_story_origins(origins, run, usable)
            return len(usable)

        async for batch in iterate_succeeded(context.database.long_transaction, run_id):
            count += await asyncio.to_thread(write, batch)
    if not count:
        raise MissingSourceError(f"The generation '{run_id}' has no finished story that was not rejected.")
    return FetchedSource(SourceOrder(str(path), run_id), SourceOrigins(path=told))


async def fetch_pairs(context: WorkerContext, claimed: ClaimedDataset, run_id: str, path: Path) -> FetchedSource:
    """Write the preference pairs that the reviews of a run make. Raises: MissingSourceError when the run is gone,
    NoReviewedPairsError when no prompt has both verdicts."""
    run, version = await find_run(context, claimed, run_id)
    writer = StoryWriter(claimed.request, version)
    told = path.with_suffix(".origins")
    with PairBook(path.with_suffix(".reviewed")) as book:

        def add(batch: Sequence[Story]) -> None:
            for story in batch:
                if story.text:
                    book.add(take_story(writer, run, story, story.text))

        def write_pairs() -> int:
            request = claimed.request
            with path.open("wb") as out, told.open("wb") as origins:
                return book.write_pairs(out, origins, seed=request["seed"], most=request["pairs_per_story"])

        async for batch in iterate_succeeded(context.database.long_transaction, run_id, (ACCEPTED, REJECTED)):
            await asyncio.to_thread(add, batch)
        count = await asyncio.to_thread(write_pairs)
    if not count:
        raise NoReviewedPairsError(run_id, book.accepted_count, book.rejected_count)
    return FetchedSource(SourceOrder(str(path), run_id), SourceOrigins(path=told))


def take_story(writer: StoryWriter, run: Generation, story: Story, text: str) -> ReviewedStory:
    """Return what a pair needs of a reviewed story."""
    verdict = story.review or ""
    return ReviewedStory(verdict, writer.prompt_of(story), text, writer.describe(story), describe_story(run, story))
