"""Splits do not leak, keep their shares, and stay as they are when rows are added."""

import random
from collections import Counter

import numpy as np
import pytest

from services.preparation.near_duplicates.index import group_near_duplicates
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.split import prompt_key, split_rows
from tests.unit.preparation.clean_sets import chinese_story


def _store(rows: list[tuple[str, str]]) -> RowStore:
    store = RowStore()
    ids = list(range(len(rows)))
    store.append(RowBatch(ids, ids, [p for p, _ in rows], [c for _, c in rows], [""] * len(ids)))
    return store


def _article_grid() -> list[tuple[str, str]]:
    """486 rows: 162 prompts, three times each."""
    chance = random.Random(1)
    prompts = [f"{d},{p},{t}" for d in "唐宋元明清汉" for p in range(9) for t in ("轻松", "努力", "艰难")]
    return [(prompt, chinese_story(chance)) for prompt in prompts for _ in range(3)]


def test_the_three_repeats_of_a_prompt_stay_together() -> None:
    rows = _article_grid()
    with _store(rows) as store:
        split = split_rows(store, 0.1)
    sides: dict[str, set[bool]] = {}
    for (prompt, _), held in zip(rows, split.is_validation.tolist(), strict=True):
        sides.setdefault(prompt, set()).add(held)
    assert all(len(side) == 1 for side in sides.values())
    assert 0.05 * len(rows) < split.validation_count < 0.17 * len(rows)


def test_near_duplicates_stay_on_one_side_though_their_prompts_differ() -> None:
    rows = _article_grid()[::3]
    rows += [(f"{prompt}?", f"{story[:20]}~{story[20:]}") for prompt, story in rows]
    near = group_near_duplicates([[completion for _, completion in rows]], len(rows))
    with _store(rows) as store:
        split = split_rows(store, 0.3, near=near)
    half = len(rows) // 2
    assert split.is_validation[:half].tolist() == split.is_validation[half:].tolist()


def test_adding_rows_moves_no_old_row() -> None:
    rows = _article_grid()
    with _store(rows[:300]) as store:
        before = split_rows(store, 0.2, seed=5).is_validation
    with _store(rows) as store:
        after = split_rows(store, 0.2, seed=5).is_validation
    assert after[:300].tolist() == before.tolist()


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    with _store(_article_grid()) as store:
        first, again, other = (split_rows(store, 0.2, seed=s).is_validation for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_every_class_is_held_out_in_about_the_same_share() -> None:
    chance = random.Random(3)
    rows = [(chinese_story(chance), label) for label, n in (("a", 200), ("b", 60), ("c", 20)) for _ in range(n)]
    labels = [label for _, label in rows]
    with _store(rows) as store:
        split = split_rows(store, 0.2, strata=labels)
    held = Counter(label for label, side in zip(labels, split.is_validation.tolist(), strict=True) if side)
    for label, count in Counter(labels).items():
        assert 0.15 <= held[label] / count <= 0.35


def test_sides_of_an_earlier_version_are_kept() -> None:
    rows = _article_grid()
    with _store(rows) as store:
        split = split_rows(store, 0.2, seed=1)
        sides = {prompt_key(*row): bool(held) for row, held in zip(rows, split.is_validation, strict=True)}
        again = split_rows(store, 0.2, seed=99, fixed=sides)
    assert np.array_equal(split.is_validation, again.is_validation)


@pytest.mark.parametrize("seed", range(20))
def test_a_large_group_in_a_small_set_does_not_turn_the_share_around(seed: int) -> None:
    near = np.array([0, 0, 0, 0, 0, 0, 0, 7], np.int64)
    with _store([(f"唐{n}", f"从前有一位英雄{n}。") for n in range(8)]) as store:
        split = split_rows(store, 0.2, seed=seed, near=near)
    assert split.is_validation.tolist() == [False] * 7 + [True]


@pytest.mark.parametrize("seed", range(20))
def test_the_share_of_a_small_set_is_held(seed: int) -> None:
    with _store([(f"唐{n}", f"从前有一位英雄{n}。") for n in range(10)]) as store:
        assert 1 <= split_rows(store, 0.2, seed=seed).validation_count <= 3


def test_rows_that_all_belong_together_stay_on_the_side_of_training() -> None:
    with _store([("唐", f"从前有一位英雄{n}。") for n in range(8)]) as store:
        assert split_rows(store, 0.2).validation_count == 0
