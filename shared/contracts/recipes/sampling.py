"""Places of a grid in random order, each once, computed one at a time: a sample of a grid that nobody could lay out.

A weighted value takes several places, so a sample has its values about as often as their weights say. The first n of a
seed's places are the same whatever n is."""

import hashlib
from typing import Final

ROUNDS: Final = 6
"""A Feistel network of four is random enough to the eye; small grids want a little more."""


def shuffle_place(index: int, length: int, seed: int) -> int:
    """Return the place that comes `index`th in the order of `seed`: a permutation of 0 … length−1."""
    bits = max(2, (length - 1).bit_length())
    key = f"{seed}:{bits}".encode()
    while True:  # the network permutes a power of two: go on until the place is one of ours, twice on the average
        index = _permute(index, bits, key)
        if index < length:
            return index


def _permute(number: int, bits: int, key: bytes) -> int:
    """Permute the numbers of so many bits: low and high part change places and widths at each turn."""
    low_bits = bits // 2
    for turn in range(ROUNDS):
        high_bits = bits - low_bits
        low, high = number & ((1 << low_bits) - 1), number >> low_bits
        mixed = hashlib.blake2b(b"%b:%d:%d" % (key, turn, low)).digest()
        high ^= int.from_bytes(mixed[: high_bits // 8 + 1]) & ((1 << high_bits) - 1)
        number = low << high_bits | high
        low_bits = high_bits
    return number
