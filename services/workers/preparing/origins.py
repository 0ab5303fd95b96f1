"""Where the rows of a source came from. A run's stories are remembered in a file: a million of them are too many for
the worker's memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Protocol

import orjson

from shared.stores.db.models import Generation, Story
from shared.stores.db.repositories.dataset_versions import RowOrigin


class Origins(Protocol):
    """The origins of one source, asked in the order of its lines."""

    def origin_of(self, line: int) -> RowOrigin:
        """Return where the row of a line (from 1) came from."""


@dataclass(frozen=True, slots=True)
class FileOrigins:
    """Rows of an uploaded file."""

    file_id: str

    def origin_of(self, line: int) -> RowOrigin:
        """Return file and line."""
        return RowOrigin(file_id=self.file_id, line=line)


class StoryOrigins:
    """Rows of a run, read forward from the file that `write_story_origins` made; a line may be asked for again."""

    def __init__(self, path: Path) -> None:
        self._entries = read_entries(path)
        self._line = 0
        self._origin = RowOrigin()

    def origin_of(self, line: int) -> RowOrigin:
        """Return a story's origin. Raises: StopIteration beyond the last line."""
        assert line >= self._line, "rows are written in the order of their source"
        while self._line < line:
            self._origin = next(self._entries)
            self._line += 1
        return self._origin


@dataclass(frozen=True, slots=True)
class SourceOrigins:
    """What a source's rows come from: an uploaded file, or the stories that `path` tells of."""

    file_id: str | None = None
    path: Path | None = None

    def open(self) -> Origins:
        """Begin a walk."""
        if self.path is not None:
            return StoryOrigins(self.path)
        assert self.file_id is not None
        return FileOrigins(self.file_id)


def describe_story(run: Generation, story: Story) -> list[str | None]:
    """Return a story's entry: id, run, recipe version, model, cost."""
    cost = None if story.cost_usd is None else str(story.cost_usd)
    return [story.id, story.generation_id, run.recipe_version_id, story.model or run.model, cost]


def write_story_origins(out: IO[bytes], run: Generation, stories: Sequence[Story]) -> None:
    """Add an entry per story."""
    for story in stories:
        out.write(orjson.dumps(describe_story(run, story), option=orjson.OPT_APPEND_NEWLINE))


def read_entries(path: Path) -> Iterator[RowOrigin]:
    """Yield the origins in the order in which they were written."""
    with path.open("rb") as lines:
        for line in lines:
            story_id, generation_id, recipe_version_id, model, cost, *rejected = orjson.loads(line)
            rejected_id, rejected_cost = rejected or (None, None)
            yield RowOrigin(
                story_id,
                generation_id,
                recipe_version_id,
                model,
                read_cost(cost),
                rejected_story_id=rejected_id,
                rejected_cost_usd=read_cost(rejected_cost),
            )


def read_cost(cost: str | None) -> Decimal | None:
    """Return a cost as it was written; None when it is not known."""
    return None if cost is None else Decimal(cost)
