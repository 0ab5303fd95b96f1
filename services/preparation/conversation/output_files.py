"""Names and contents of the prepared files."""

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.rows.training_lines import NO_AFFIXES, Affixes, write_pairs

MAX_VALIDATION_ROWS = 1000
TRAIN_SHARE = 0.8
SAMPLE_SEED = 42
BUFFER_BYTES = 1 << 20


def free_names(source: str, parts: tuple[str, ...] = ("",)) -> list[str]:
    """Names beside the source that no file has yet: `_prepared`, `_prepared (1)`, …; never overwrites."""
    stem = os.path.splitext(source)[0]
    number = 0
    while True:
        suffix = f" ({number})" if number else ""
        names = [f"{stem}_prepared{part}{suffix}.jsonl" for part in parts]
        if not any(os.path.isfile(name) for name in names):
            return names
        number += 1


def write_prepared(store: RowStore, name: str, affixes: Affixes = NO_AFFIXES) -> None:
    """Write all rows to one file."""
    with Path(name).open("wb", buffering=BUFFER_BYTES) as out:
        write_pairs(store.batches(), out, affixes)


def write_train_and_validation(store: RowStore, train: str, validation: str, affixes: Affixes = NO_AFFIXES) -> None:
    """Write the public tool's sample: shuffled train rows, validation rows in their order."""
    count = store.row_count
    train_count = max(count - MAX_VALIDATION_ROWS, int(count * TRAIN_SHARE))
    chosen = np.random.RandomState(SAMPLE_SEED).choice(count, size=train_count, replace=False)
    is_train = np.zeros(count, bool)
    is_train[chosen] = True
    with Path(train).open("wb", buffering=BUFFER_BYTES) as out:
        write_pairs(_shuffled(store, chosen), out, affixes)
    with Path(validation).open("wb", buffering=BUFFER_BYTES) as out:
        write_pairs(_masked(store.batches(), ~is_train), out, affixes)


def _shuffled(store: RowStore, order: NDArray[np.int64]) -> Iterator[RowBatch]:
    """Rows in the given order. Classification rows are short: they are held in memory."""
    rows = [pair for b in store.batches() for pair in zip(b.prompts, b.completions, strict=True)]
    prompts, completions = [rows[i][0] for i in order], [rows[i][1] for i in order]
    ids = order.tolist()
    yield RowBatch(ids, [0] * len(ids), prompts, completions, [""] * len(ids))


def _masked(batches: Iterable[RowBatch], mask: NDArray[np.bool_]) -> Iterator[RowBatch]:
    start = 0
    for batch in batches:
        kept = mask[start : start + len(batch)]
        start += len(batch)
        yield batch.select(list(compress(range(len(batch)), kept)))


def count_classes(store: RowStore, affixes: Affixes = NO_AFFIXES) -> tuple[int, str | None]:
    """(number of distinct completions, the most frequent one when there are two)."""
    classes: Counter[str] = Counter()
    for batch in store.batches():
        classes.update(batch.completions)
    if len(classes) != 2:
        return len(classes), None
    return 2, f"{affixes.completion_start}{classes.most_common(1)[0][0]}{affixes.completion_end}"
