"""Rows of a training or validation file, for scoring and for comparing: read out of the store, so many at most."""

import asyncio
import hashlib
import heapq
from collections.abc import Iterator
from typing import Any, Final

import orjson

from services.workers.models.scoring import CannotScoreError
from services.workers.process.context import WorkerContext
from shared.stores.db.repositories import files

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
    with context.objects.open(sha256) as source:
        drawn = ((hashlib.blake2b(line, digest_size=8).digest(), line) for line in source if line.strip())
        chosen = heapq.nsmallest(MOST_ROWS, drawn)
    pairs = list(read_lines([line for _, line in chosen]))
    if not pairs:
        raise CannotScoreError("the file has no rows")
    return pairs


def read_lines(lines: list[bytes]) -> Iterator[Pair]:
    """Yield prompt and completion of JSON lines. Raises: CannotScoreError at the first line that is something else."""
    for line in lines:
        try:
            row: Any = orjson.loads(line)
            prompt, completion = row["prompt"], row["completion"]
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise CannotScoreError("only rows of prompt and completion can be scored, not chats") from error
        if not isinstance(prompt, str) or not isinstance(completion, str):
            raise CannotScoreError("a row's prompt and completion must be texts")
        yield prompt, completion
