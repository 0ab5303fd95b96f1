"""Finds groups of near-duplicate texts: signatures, buckets by band, then a check of every candidate pair.

No text is compared with every other. Memory: 256 bytes per row for the signatures, whatever the texts' lengths.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from services.preparation.near_duplicates.disjoint_sets import DisjointSets
from services.preparation.near_duplicates.signatures import SIGNATURE_LENGTH, sign_texts

# 32 bands of 4: a pair of similarity 0.7 shares a bucket with probability 0.9998, one of 0.1 with 0.003.
BANDS = 32
ROWS_PER_BAND = SIGNATURE_LENGTH // BANDS
# About one character in twenty-five edited.
NEAR_SIMILARITY = 0.7
# Pairs looked at per walk: bounds the memory of the comparison.
PAIRS_AT_ONCE = 200_000


def group_near_duplicates(
    texts: Iterable[list[str]], row_count: int, similarity: float = NEAR_SIMILARITY
) -> NDArray[np.int64]:
    """For every text the position of the first text of its group: itself when it is alone or the first.

    Args:
        texts: batches of texts, in row order; `row_count` in all.
        similarity: the Jaccard similarity of shingles (0 to 1, estimated) from which two texts belong together.
    """
    signatures, signed = sign_all(texts, row_count)
    groups = DisjointSets(len(signatures))
    if not len(signed):
        return groups.roots()
    for band in range(BANDS):
        left, right = _candidates(signatures, signed, band)
        for start in range(0, len(left), PAIRS_AT_ONCE):
            a, b = left[start : start + PAIRS_AT_ONCE], right[start : start + PAIRS_AT_ONCE]
            alike = (signatures[a] == signatures[b]).mean(axis=1) >= similarity
            for x, y in zip(a[alike].tolist(), b[alike].tolist(), strict=True):
                groups.join(x, y)
    return groups.roots()


def sign_all(texts: Iterable[list[str]], row_count: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """(signatures of shape [rows, 128], positions of the texts that have one). Filled in place: a million rows take
    a quarter of a gigabyte, and there is no second copy of it."""
    signatures = np.zeros((row_count, SIGNATURE_LENGTH), np.uint16)
    is_signed = np.zeros(row_count, np.bool_)
    end = 0
    for batch in texts:
        start, end = end, end + len(batch)
        signatures[start:end], is_signed[start:end] = sign_texts(batch)
    return signatures, np.flatnonzero(is_signed)


def _candidates(
    signatures: NDArray[np.uint16], signed: NDArray[np.int64], band: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs within a bucket: each text with the one before it and with the bucket's first."""
    # The four values of a band side by side are the bucket's number.
    keys = signatures.view(np.uint64)[signed, band]
    shared = _find_shared(keys)
    keys, positions = keys[shared], signed[shared]
    order = np.argsort(keys, kind="stable")
    ordered, positions = keys[order], positions[order]
    same = ordered[1:] == ordered[:-1]
    starts = np.concatenate(([True], ~same))[: len(ordered)]
    firsts = positions[np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))]
    follows = np.flatnonzero(same) + 1
    left = np.concatenate((positions[follows - 1], firsts[follows]))
    right = np.concatenate((positions[follows], positions[follows]))
    distinct = left != right
    return left[distinct], right[distinct]


def _find_shared(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where the keys stand that occur more than once. Sorting the keys alone takes a tenth of the time of sorting their
    places, and few texts share a bucket."""
    ordered = np.sort(keys)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return np.zeros(0, np.int64)
    nearest = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
    return np.flatnonzero(repeated[nearest] == keys)
