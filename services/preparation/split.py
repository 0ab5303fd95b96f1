"""Train and validation without leaks: rows that share a prompt or are near-duplicates stay on one side.

A group's side follows from a hash of its first row's prompt and the seed, so it does not change when rows are added;
but for sets so small, or groups so large, that chance would hold out far more rows than asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from services.preparation.near_duplicates.disjoint_sets import DisjointSets
from services.preparation.rows.row_store import RowStore

HASH_RANGE = 2.0**64
MOST_OVER = 1.5
"""Times the wanted rows, and one row at least: more than that is no chance that one bears with."""


@dataclass(frozen=True, slots=True)
class Split:
    """One entry per row of the store. `groups` holds the position of the first row of the row's group."""

    is_validation: NDArray[np.bool_]
    groups: NDArray[np.int64]

    @property
    def validation_count(self) -> int:
        """Rows held out."""
        return int(self.is_validation.sum())


def group_rows(keys: Sequence[bytes], near: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Join rows of equal key (b"" joins nothing) and rows of one near-duplicate group."""
    sets = DisjointSets(len(keys))
    first: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        if key:
            sets.join(first.setdefault(key, position), position)
    if near is not None:
        for position in np.flatnonzero(near != np.arange(len(near))).tolist():
            sets.join(int(near[position]), position)
    return sets.roots()


def split_rows(
    store: RowStore,
    share: float,
    seed: int = 0,
    near: NDArray[np.int64] | None = None,
    strata: Sequence[str] | None = None,
    fixed: dict[bytes, bool] | None = None,
) -> Split:
    """Choose the validation rows.

    Args:
        share: the wanted share of groups held out, 0 to below 1; of the rows it may come to half as much again.
        near: near-duplicate groups as `group_near_duplicates` gives them.
        strata: a label per row; every label with enough groups is held out in the same share.
        fixed: sides that an earlier version gave to prompt keys (`prompt_key`); they stay.
    """
    keys = [prompt_key(p, c) for b in store.batches() for p, c in zip(b.prompts, b.completions, strict=True)]
    groups = group_rows(keys, near)
    firsts = np.unique(groups).tolist()
    draws = {first: _draw(keys[first], seed) for first in firsts}
    held_out = {first for first in firsts if draws[first] < share}
    if share > 0:
        held_out |= _fill_strata(firsts, draws, held_out, share, strata)
        held_out = _bound_rows(draws, np.bincount(groups, minlength=len(keys)), held_out, share)
    for first in firsts:
        side = (fixed or {}).get(keys[first])
        if side is not None:
            (held_out.add if side else held_out.discard)(first)
    return Split(np.isin(groups, np.fromiter(held_out, np.int64, len(held_out))), groups)


def prompt_key(prompt: str, completion: str) -> bytes:
    """What makes rows belong together: the prompt, or the completion where there is no prompt."""
    text = f"p{prompt.strip()}" if prompt.strip() else f"c{completion.strip()}"
    return blake2b(text.encode(), digest_size=12).digest()


def _draw(key: bytes, seed: int) -> float:
    digest = blake2b(key, digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / HASH_RANGE


def _fill_strata(
    firsts: list[int], draws: dict[int, float], held_out: set[int], share: float, strata: Sequence[str] | None
) -> set[int]:
    """The luckiest groups of every label that got too few by chance: at least half of the wanted number, rounded."""
    by_label: dict[str, list[int]] = {}
    for first in firsts:
        by_label.setdefault(strata[first] if strata else "", []).append(first)
    added: set[int] = set()
    for members in by_label.values():
        wanted = round(len(members) * share) if strata else min(round(len(members) * share), 1)
        got = sum(first in held_out for first in members)
        if got < wanted:
            rest = sorted((first for first in members if first not in held_out), key=lambda first: draws[first])
            added.update(rest[: wanted - got])
    return added


def _bound_rows(draws: dict[int, float], sizes: NDArray[np.int64], held_out: set[int], share: float) -> set[int]:
    """Give back groups, the large and then the unluckiest, until no more rows are held out than one bears with; where
    that leaves none, the luckiest group that is small enough is held out."""
    wanted = float(sizes.sum()) * share
    most = max(wanted * MOST_OVER, wanted + 1)
    kept = {first for first in held_out if sizes[first] <= most}
    rows = sum(int(sizes[first]) for first in kept)
    for first in sorted(kept, key=lambda first: -draws[first]):
        if rows <= most:
            break
        kept.discard(first)
        rows -= int(sizes[first])
    if not kept and round(wanted) >= 1:
        fitting = [first for first in draws if sizes[first] <= most and len(draws) > 1]
        kept.update(sorted(fitting, key=lambda first: draws[first])[:1])
    return kept
