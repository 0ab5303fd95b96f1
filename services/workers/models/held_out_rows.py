"""Rows of a training or validation file, for scoring and for comparing: read out of the store, so many at most."""

import asyncio
import hashlib
import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from services.workers.models.scoring import CannotScoreError
from services.workers.process.context import WorkerContext
from shared.stores.db.repositories import files
from shared.texts.row_bound import RowBound
from shared.texts.training_rows import BadLineError, check_row, number_lines, parse_line

MOST_ROWS: Final = 200
"""Rows that are scored of one file: enough for a mean, and an evaluation stays a matter of minutes."""

Pair = tuple[str, str]
"""Prompt and completion."""


async def read_pairs(context: WorkerContext, project_id: str, file_id: str) -> list[Pair]:
    """Return the prompts and completions of a file, at most MOST_ROWS of them, always the same ones.

    Raises: CannotScoreError for a file that is gone, or whose rows are none of prompt and completion.
    """
    async with context.database.transaction() as session:
        file = await files.find_file(session, project_id, file_id)
    if file is None:
        raise CannotScoreError(f"the file '{file_id}' was deleted")
    try:
        return await asyncio.to_thread(choose_pairs, context, file.sha256)
    except FileNotFoundError as error:
        raise CannotScoreError(f"the bytes of '{file_id}' are not in the object store") from error


def choose_pairs(context: WorkerContext, sha256: str) -> list[Pair]:
    """Read a file and choose among its rows by their hashes. Raises: CannotScoreError when there are none, or they are
    chats, FileNotFoundError when the store has lost the file."""
    bound = RowBound.of(context.bounds.now)
    with context.objects.open(sha256) as source:
        lines = number_lines(bound.read_lines(source))
        drawn = ((hashlib.blake2b(line, digest_size=8).digest(), number, line) for number, line in lines)
        chosen = heapq.nsmallest(MOST_ROWS, drawn)
    pairs = list(read_pair_lines(((number, line) for _, number, line in chosen), bound))
    if not pairs:
        raise CannotScoreError("the file has no rows")
    return pairs


def read_pair_lines(lines: Iterable[tuple[int, bytes]], bound: RowBound) -> Iterator[Pair]:
    """Yield prompt and completion of numbered lines. Raises: CannotScoreError at the first one that is something else,
    with its number and the reason."""
    for number, line in lines:
        try:
            row = parse_line(line, bound)
            found = check_row(row)
        except BadLineError as error:
            raise CannotScoreError(f"line {number}: {error}") from error
        if found != "completion":
            raise CannotScoreError(f"line {number}: only rows of prompt and completion can be scored, not {found} rows")
        yield row["prompt"], row["completion"]
