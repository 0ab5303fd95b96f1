"""Preference pairs from reviews: among the stories of one prompt, accepted ones against rejected ones.

The texts wait in a file: memory holds where they stand.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import IO, Any, Final

import orjson

from services.preparation.errors import DatasetError
from services.preparation.pair_origins import write_pair_origin
from services.preparation.rows.preference import ask, make_pair

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"


class NoReviewedPairsError(DatasetError):
    """No prompt of a run has both an accepted and a rejected story."""

    code = "no_reviewed_pairs"

    def __init__(self, run_id: str, accepted: int, rejected: int) -> None:
        super().__init__(
            f"The generation '{run_id}' has {accepted} accepted and {rejected} rejected stories, but no prompt with "
            'both. Review stories of one prompt with PATCH /v1/stories/{id} {"review": "accepted"} or {"review": '
            '"rejected"}, or with `storymill stories review ID accepted` or `rejected`. A prompt needs '
            "several stories: generate with repeats."
        )


@dataclass(frozen=True, slots=True)
class ReviewedStory:
    """What a pair takes of a story. `columns` go beside the texts, `origin` is what `describe_story` said."""

    verdict: str
    prompt: str
    text: str
    columns: dict[str, Any]
    origin: list[str | None]


@dataclass(slots=True)
class PromptStories:
    """Where the reviewed stories of one prompt stand in the file."""

    accepted: "array[int]" = field(default_factory=lambda: array("q"))
    rejected: "array[int]" = field(default_factory=lambda: array("q"))


class PairBook:
    """Collects the reviewed stories of a run, then pairs them. Use as `with PairBook(path) as book`."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("w+b")
        self._cells: dict[bytes, PromptStories] = {}
        self.accepted_count = 0
        self.rejected_count = 0

    def __enter__(self) -> "PairBook":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, story: ReviewedStory) -> None:
        """Remember a story."""
        start = self._file.tell()
        self._file.write(orjson.dumps(story, option=orjson.OPT_APPEND_NEWLINE))
        cell = self._cells.setdefault(blake2b(story.prompt.encode(), digest_size=16).digest(), PromptStories())
        if story.verdict == ACCEPTED:
            cell.accepted.append(start)
            self.accepted_count += 1
        else:
            cell.rejected.append(start)
            self.rejected_count += 1

    def write_pairs(self, out: IO[bytes], origins: IO[bytes], *, seed: int, most: int) -> int:
        """Write a line and an origin per pair, prompt by prompt; return their number. An accepted story is paired with
        at most `most` rejected ones, drawn by `seed`."""
        count = 0
        for accepted, rejected in self._pair(seed, most):
            texts = make_pair(ask(accepted.prompt), accepted.text, rejected.text)
            out.write(orjson.dumps({**accepted.columns, **texts}, option=orjson.OPT_APPEND_NEWLINE))
            write_pair_origin(origins, accepted.origin, rejected.origin)
            count += 1
        return count

    def _pair(self, seed: int, most: int) -> Iterator[tuple[ReviewedStory, ReviewedStory]]:
        for cell in self._cells.values():
            for start in cell.accepted if cell.rejected else ():
                accepted = self._read(start)
                for other in draw(cell.rejected, most, f"{seed} {accepted.origin[0]}"):
                    yield accepted, self._read(other)

    def _read(self, start: int) -> ReviewedStory:
        self._file.seek(start)
        return ReviewedStory(**orjson.loads(self._file.readline()))


def draw(starts: "array[int]", most: int, key: str) -> list[int]:
    """Return at most `most` of them in their order, the same ones for the same key."""
    chosen = list(starts)
    return chosen if len(chosen) <= most else sorted(Random(key).sample(chosen, most))  # noqa: S311 (no secret)
