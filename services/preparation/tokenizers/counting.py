"""Counts the tokens of every row: of many in a process beside this one, so that an inspection need not wait for them.

The tokenizer holds the interpreter while it counts, so that a thread would gain nothing.
"""

import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.tokenizers.model_view import RowTokenizer
from shared.texts.encodings import OwnTokenizerFile

PROCESS: Final = "services.preparation.tokenizers.count_process"
LARGEST_BATCH_CHARACTERS: Final = 8_000_000
"""Rows of longer batches are counted here: two processes that hold such at once would take too much memory."""
COUNT_BYTES: Final = 8

TakeCounts = Callable[[], NDArray[np.int64]]


@contextmanager
def begin_counting(store: RowStore, tokenizer: RowTokenizer, own: OwnTokenizerFile | None) -> Iterator[TakeCounts]:
    """Begin to count, and give a function that waits for the tokens of every row, in order."""
    process = start_beside(store, tokenizer.tokens.model, own)
    try:
        yield lambda: take_counts(process, store, tokenizer)
    finally:
        if process is not None:
            process.kill()
            process.communicate()


def start_beside(store: RowStore, model: str, own: OwnTokenizerFile | None) -> "subprocess.Popen[bytes] | None":
    """Start a process that counts the rows of a store's file; None where there is no file or no processor for it. It
    ends with this one: it watches its standard input."""
    path = store.finish_file() if store.largest_batch_characters <= LARGEST_BATCH_CHARACTERS else None
    if path is None or count_processors() < 2:
        return None
    order = orjson.dumps([str(path), model, asdict(own) if own else None]).decode()
    return subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", PROCESS, order],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def count_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def take_counts(
    process: "subprocess.Popen[bytes] | None", store: RowStore, tokenizer: RowTokenizer
) -> NDArray[np.int64]:
    """Return the tokens of every row. What the process did not live to count is counted here."""
    if process is not None:
        assert process.stdout is not None
        counted = process.stdout.read()
        if len(counted) == store.row_count * COUNT_BYTES:
            return np.frombuffer(counted, np.int64)
    counts = count_batches(store.batches(), tokenizer)
    return np.frombuffer(counts, np.int64) if counts else np.zeros(0, np.int64)


def count_batches(batches: Iterator[RowBatch], tokenizer: RowTokenizer) -> "array[int]":
    """Return the tokens of every row of these batches."""
    counts = array("q")
    for batch in batches:
        rows = zip(batch.prompts, batch.completions, batch.records, strict=True)
        counts.extend(tokenizer.count_chat(r) if r else tokenizer.count_pair(p, c) for p, c, r in rows)
    return counts


def count_file(path: Path, tokenizer: RowTokenizer) -> "array[int]":
    """Return the tokens of every row of a store's file."""
    # Deferred: small files never need Arrow.
    from services.preparation.rows.row_file import RowFile  # noqa: PLC0415

    return count_batches(RowFile(path).read(), tokenizer)
