"""MinHash signatures of texts over character shingles, a batch at a time in numpy. Works for any script.

128 values per text: at a true similarity of 0.7 the estimate is off by 0.04 (one standard deviation). Of every value
only 16 bits are kept: two different values agree by chance once in 65,536 times, which changes no estimate.
"""

import re

import numpy as np
from numpy.typing import NDArray

# Four characters: an edited character costs four shingles of a text, and unrelated texts share hardly any.
SHINGLE_CHARACTERS = 4
SIGNATURE_LENGTH = 128
# Shorter texts (labels, titles) are alike too easily.
SHORTEST_TEXT_CHARACTERS = 20
SEED = 20230404
IGNORED = re.compile(r"[\W_]+")
EMPTY = np.uint32(0xFFFFFFFF)

_random = np.random.default_rng(SEED)
_MULTIPLIERS = (_random.integers(0, 2**32, SIGNATURE_LENGTH, dtype=np.uint64) | 1).astype(np.uint32)
_OFFSETS = _random.integers(0, 2**32, SIGNATURE_LENGTH, dtype=np.uint64).astype(np.uint32)
_POSITION_KEYS = _random.integers(0, 2**63, SHINGLE_CHARACTERS, dtype=np.uint64) | np.uint64(1)


def normalise(text: str) -> str:
    """The text without case, white space and punctuation, which do not make a text another."""
    return IGNORED.sub("", text.lower())


def sign_texts(texts: list[str]) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """(signatures of shape [texts, 128], which texts are long enough to have one)."""
    normal = [normalise(text) for text in texts]
    signed = np.fromiter((len(text) >= SHORTEST_TEXT_CHARACTERS for text in normal), np.bool_, len(normal))
    signatures = np.zeros((len(texts), SIGNATURE_LENGTH), np.uint16)
    long_enough = [text for text, keep in zip(normal, signed, strict=True) if keep]
    if long_enough:
        signatures[signed] = _sign(long_enough)
    return signatures, signed


def _sign(texts: list[str]) -> NDArray[np.uint16]:
    hashes = shingle_hashes("".join(texts))
    ends = np.cumsum([len(text) for text in texts])
    starts = np.concatenate(([0], ends[:-1]))
    # Pairs of (first shingle, one past the last): shingles that reach into the next text fall between.
    bounds = np.stack((starts, ends - SHINGLE_CHARACTERS + 1), axis=1).ravel()
    hashes = np.append(hashes, np.full(SHINGLE_CHARACTERS, EMPTY, np.uint32))
    out = np.empty((SIGNATURE_LENGTH, len(texts)), np.uint16)
    mixed = np.empty_like(hashes)  # filled again and again: new pages would cost more than the numbers in them
    for k in range(SIGNATURE_LENGTH):
        np.multiply(hashes, _MULTIPLIERS[k], out=mixed)
        np.add(mixed, _OFFSETS[k], out=mixed)
        out[k] = np.minimum.reduceat(mixed, bounds)[0::2].astype(np.uint16)
    return out.T


def shingle_hashes(text: str) -> NDArray[np.uint32]:
    """One hash per run of four characters."""
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint64)
    count = len(codes) - SHINGLE_CHARACTERS + 1
    mixed = np.zeros(max(count, 0), np.uint64)
    for offset, key in enumerate(_POSITION_KEYS):
        mixed += codes[offset : offset + count] * key
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(32)).astype(np.uint32)
