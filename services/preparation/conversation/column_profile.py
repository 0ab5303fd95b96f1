"""What the checks need to know about a column and about the pairs, gathered in one walk over the rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import add
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.preparation.conversation.common_affix import CommonPrefix, CommonSuffix
from services.preparation.conversation.letter_case import count_case
from services.preparation.rows.row_batches import RowBatch

TaskType = Literal["open-ended generation", "classification", "conditional generation"]
# Odd, so that multiplying loses nothing; any large one will do.
MIXING_FACTOR = np.int64(0x1E3779B97F4A7C15)
# Fewer distinct completions than rows divided by this make the rows a classification task.
CLASSIFICATION_THRESHOLD = 3
LONG_PAIR_CHARACTERS = 10_000
# Between texts in the joined text that markers are searched in; no marker holds it.
BETWEEN_TEXTS = "\x00"
# Decides about the arrow as a separator, so every prompt is searched for it.
LINE_FEED = frozenset({"\n"})


@dataclass(slots=True)
class ColumnProfile:
    """One column: shared affixes, case counts, and which of the marker candidates occur in it.

    Without candidates only what the end of the conversation needs: the shared ending and the hashes.
    """

    candidates: tuple[str, ...] = ()
    suffix: CommonSuffix = field(default_factory=CommonSuffix)
    prefix: CommonPrefix = field(default_factory=CommonPrefix)
    upper_count: int = 0
    lower_count: int = 0
    characters: int = 0
    found: set[str] = field(default_factory=set)
    unsearched: set[str] = field(default_factory=set)
    always_searched: frozenset[str] = frozenset()
    hashes: list[NDArray[np.int64]] = field(default_factory=list)

    def observe(self, column: list[str]) -> None:
        """Take in more rows."""
        self.suffix.observe(column)
        self.hashes.append(np.fromiter(map(hash, column), np.int64, len(column)))
        if not self.candidates:
            self.characters += sum(map(len, column))
            return
        self.prefix.observe(column)
        joined = BETWEEN_TEXTS.join(column)
        self.characters += len(joined) - len(column) + 1
        self._search(joined)
        upper, lower = count_case(joined)
        self.upper_count += upper
        self.lower_count += lower

    def _search(self, joined: str) -> None:
        """Search for candidates in order up to the first that is absent: later ones matter only if it turns up."""
        for position, candidate in enumerate(self.candidates):
            if candidate in self.found:
                continue
            if candidate in joined:
                self.found.add(candidate)
            elif candidate not in self.always_searched:
                self.unsearched.update(self.candidates[position + 1 :])
                return

    def first_absent(self, options: tuple[str, ...], fallback: str, column: Callable[[], Iterable[list[str]]]) -> str:
        """The first option that occurs in no row; options that were not searched everywhere are searched now."""
        for option in options:
            is_unknown = option in self.unsearched and option not in self.found
            if is_unknown and any(option in value for values in column() for value in values):
                self.found.add(option)
            if option not in self.found:
                return option
        return fallback

    @property
    def common_suffix(self) -> str:
        """The ending that all rows share, or ""."""
        return self.suffix.text or ""

    @property
    def common_prefix(self) -> str:
        """The beginning that all rows share, or ""."""
        return self.prefix.text or ""

    def all_hashes(self) -> NDArray[np.int64]:
        """One 64-bit hash per row, valid within this process."""
        return np.concatenate(self.hashes) if self.hashes else np.zeros(0, np.int64)


@dataclass(slots=True)
class PairProfile:
    """The rows as the checks see them after the necessary fixes."""

    prompts: ColumnProfile
    completions: ColumnProfile
    row_ids: NDArray[np.int64]
    long_positions: list[int]
    first_characters: set[str]
    starts_with_space: bool
    task_type: TaskType

    @property
    def row_count(self) -> int:
        """The number of rows seen."""
        return len(self.row_ids)

    def duplicate_positions(self) -> list[int]:
        """Positions of rows whose prompt and completion both occurred before."""
        prompts, completions = self.prompts.all_hashes(), self.completions.all_hashes()
        mixed = prompts * MIXING_FACTOR ^ completions
        if count_distinct(mixed) == len(mixed):  # a tenth of the time of what follows, and the usual case
            return []
        order = np.lexsort((completions, prompts))  # stable: the first of equal rows comes first
        same = np.zeros(len(order), bool)
        p, c = prompts[order], completions[order]
        same[1:] = (p[1:] == p[:-1]) & (c[1:] == c[:-1])
        return np.sort(order[same]).tolist()  # type: ignore[no-any-return]  # numpy's tolist is untyped


def profile_pairs(
    batches: Iterable[RowBatch], prompt_markers: tuple[str, ...] = (), completion_markers: tuple[str, ...] = ()
) -> PairProfile:
    """Walk over the rows once. Without markers only the endings and the task type are gathered."""
    prompts = ColumnProfile(prompt_markers, always_searched=LINE_FEED)
    completions = ColumnProfile(completion_markers)
    ids: list[NDArray[np.int64]] = []
    long_positions: list[int] = []
    first_characters: set[str] = set()
    first: str | None = None
    count = 0
    for batch in batches:
        prompts.observe(batch.prompts)
        completions.observe(batch.completions)
        lengths = map(add, map(len, batch.prompts), map(len, batch.completions))
        long_positions.extend(count + i for i, n in enumerate(lengths) if n > LONG_PAIR_CHARACTERS)
        first_characters.update({value[:1] for value in batch.completions})
        first = batch.completions[0] if first is None else first
        ids.append(np.array(batch.ids, np.int64))
        count += len(batch)
    row_ids = np.concatenate(ids) if ids else np.zeros(0, np.int64)
    starts_with_space = (first or "")[:1] == " "
    task_type = infer_task_type(prompts, completions, count)
    return PairProfile(prompts, completions, row_ids, long_positions, first_characters, starts_with_space, task_type)


def infer_task_type(prompts: ColumnProfile, completions: ColumnProfile, row_count: int) -> TaskType:
    """What the public tool takes such rows for."""
    if prompts.characters == 0:
        return "open-ended generation"
    if count_distinct(completions.all_hashes()) < row_count / CLASSIFICATION_THRESHOLD:
        return "classification"
    return "conditional generation"


def count_distinct(values: NDArray[np.int64]) -> int:
    """How many different values there are; sorting takes an eighth of the time of `np.unique`'s table."""
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0
