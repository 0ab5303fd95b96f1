"""Buckets for texts that come one by one: numbers of which two near texts very likely share one. For an index that
is kept elsewhere, for many sets of texts at once."""

import hashlib

import numpy as np
from numpy.typing import NDArray

# 21 bands of 6: a pair of similarity 0.7 shares a bucket with probability 0.93, one of 0.8 with 0.998, one of 0.2 with
# 0.001. Wider bands than those of a whole dataset, since every text is looked for among all that came before.
BANDS = 21
ROWS_PER_BAND = 6
MIXER = np.uint64(0x9E3779B97F4A7C15)


def find_bucket_keys(signatures: NDArray[np.uint16], scope: str) -> NDArray[np.int64]:
    """Return the keys, of shape [texts, BANDS]. Texts of different scopes share none but by chance."""
    salt = np.uint64(int.from_bytes(hashlib.sha256(scope.encode()).digest()[:8]))
    bands = signatures[:, : BANDS * ROWS_PER_BAND].reshape(len(signatures), BANDS, ROWS_PER_BAND)
    keys = np.broadcast_to(salt + np.arange(BANDS, dtype=np.uint64), (len(signatures), BANDS)).copy()
    for row in range(ROWS_PER_BAND):
        keys ^= bands[:, :, row].astype(np.uint64)
        keys *= MIXER
        keys ^= keys >> np.uint64(29)
    return keys.view(np.int64)
