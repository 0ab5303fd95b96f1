"""One walk that gathers compact facts per row: lengths, hashes, scripts, endings. A few bytes per row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.preparation.findings.scripts import dominant_scripts
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from shared.texts.sentence_ends import LINE_ENDS


@dataclass(slots=True)
class Survey:
    """Arrays with one entry per row, in row order."""

    row_ids: NDArray[np.int64]
    prompt_hashes: NDArray[np.int64]
    completion_hashes: NDArray[np.int64]
    prompt_lengths: NDArray[np.int32]
    completion_lengths: NDArray[np.int32]
    scripts: NDArray[np.uint8]
    ends_sentence: NDArray[np.bool_]
    is_blank: NDArray[np.bool_]

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.row_ids)


class SurveyTaker:
    """Fed batch by batch, by whoever walks over the rows."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.generic], ...]] = []

    def watch(self, batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
        """Pass the batches on, and note the facts of each."""
        for batch in batches:
            self._parts.append(_survey_batch(batch))
            yield batch

    def take(self) -> Survey:
        """Return the facts of all rows that went by."""
        parts = self._parts or [_survey_batch(RowBatch([], [], [], [], []))]
        return Survey(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def survey_rows(store: RowStore) -> Survey:
    """Walk over the store once."""
    taker = SurveyTaker()
    for _ in taker.watch(store.batches()):
        pass
    return taker.take()


def _survey_batch(batch: RowBatch) -> tuple[NDArray[np.generic], ...]:
    count = len(batch)
    trimmed = [completion.rstrip() for completion in batch.completions]
    return (
        np.array(batch.ids, np.int64),
        np.fromiter(map(hash, batch.prompts), np.int64, count),
        np.fromiter(map(hash, batch.completions), np.int64, count),
        np.fromiter(map(len, batch.prompts), np.int32, count),
        np.fromiter(map(len, batch.completions), np.int32, count),
        dominant_scripts(batch.completions),
        np.fromiter((text[-1:] in LINE_ENDS for text in trimmed), np.bool_, count),
        np.fromiter((not text for text in trimmed), np.bool_, count),
    )
