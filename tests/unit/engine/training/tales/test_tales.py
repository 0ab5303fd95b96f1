"""What the grammar tells: for which cells, how alike, and the same for a seed."""

import csv
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from services.engine.training.pattern_check import Sample
from services.engine.training.sample_stories import ARTICLE_CELLS, read_sample_stories, unseen_cells
from services.engine.training.tales.__main__ import main
from services.engine.training.tales.cells import tale_cells
from services.engine.training.tales.collection import COLUMNS, tell_tales
from services.engine.training.tales.facts import Facts, read_facts
from services.engine.training.tales.writing import tell_tale

TOLD = 500
PIECE = 6
"""In characters: how alike two stories are is told by the pieces of this length that both have."""
LARGEST_SHARE = 0.4
"""Of the shorter one's pieces: what readers of fifty stories are to find different."""
FACTS = read_facts()
TALES = list(tell_tales(TOLD, seed=7))


def test_no_cell_that_is_kept_for_measuring_is_told() -> None:
    cells = set(tale_cells())
    assert not cells & set(unseen_cells())
    assert ARTICLE_CELLS[0] not in cells
    assert {tale.cell for tale in TALES} <= cells


def test_every_cell_of_a_written_story_can_be_told() -> None:
    assert {story.cell for story in read_sample_stories()} <= set(tale_cells())


def test_every_dynasty_power_and_kind_is_told() -> None:
    for part, known in (("dynasty", FACTS.heroes), ("super_power", FACTS.powers), ("story_type", FACTS.kinds)):
        assert {getattr(tale.cell, part) for tale in TALES} == set(known)


def test_every_tale_passes_the_pattern_check() -> None:
    assert [tale.text for tale in TALES if not Sample(tale.cell, tale.text, ended=True).judge().passes] == []


def test_tales_have_many_plots_openings_and_lengths() -> None:
    monsters = Counter(name for tale in TALES for name in FACTS.monsters if name in tale.text)
    assert len(monsters) == len(FACTS.monsters)
    assert len({tale.text[:PIECE] for tale in TALES}) > TOLD / 4
    lengths = [len(tale.text.replace("\n", "")) for tale in TALES]
    assert all(120 <= length <= 250 for length in lengths)
    assert max(lengths) - min(lengths) > 40


def test_tales_for_the_unseen_cells_share_few_words_and_have_many_plots() -> None:
    chance = random.Random("unseen")
    told = [tell_tale(cell, chance) for cell in unseen_cells()[:50]]
    pieces = [{text[i : i + PIECE] for i in range(len(text) - PIECE + 1)} for _, text in told]
    shares = [len(one & other) / min(len(one), len(other)) for one, other in combinations(pieces, 2)]
    assert max(shares) <= LARGEST_SHARE
    assert sum(shares) / len(shares) < 0.1
    assert len({plan.plot for plan, _ in told}) >= 20


def test_a_seed_tells_the_same_tales_and_more_of_them() -> None:
    assert list(tell_tales(20, seed=7)) == TALES[:20]
    assert list(tell_tales(20, seed=8)) != TALES[:20]


def test_the_command_writes_the_columns_of_the_samples(tmp_path: Path) -> None:
    main(["--count", "3", "--seed", "7", "--output", str(tmp_path / "tales.csv")])
    with (tmp_path / "tales.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["story"] for row in rows] == [tale.text for tale in TALES[:3]]


def find_unrecoverable(facts: Facts) -> list[tuple[str, str]]:
    """Return what of the facts a program could not recover from a text, and why."""
    monsters, powers = facts.monsters.values(), facts.powers.values()
    wrong = [(m.name, weak) for m in monsters for weak in m.weak if m.key not in weak]
    wrong += [(m.name, result) for m in monsters for result in m.result if m.sign not in result]
    wrong += [(m.name, other) for m in monsters for other in (*m.weak, *m.finish, m.target) if m.sign in other]
    wrong += [(m.name, finish) for m in monsters for finish in m.finish if "奥特曼" not in finish]
    wrong += [
        (p.name, clause) for p in powers for deeds in p.deeds.values() for clause in deeds if p.name not in clause
    ]
    for power in powers:
        answered = facts.monsters_for(power)
        wrong += [(m.name, clause) for m, need in answered for clause in power.deeds[need] if m.sign in clause]
        wrong += [(power.name, "answers nothing")] if not answered else []
    return wrong


def test_the_facts_can_be_recovered_from_what_they_are_told_with() -> None:
    assert find_unrecoverable(FACTS) == []


@pytest.mark.parametrize("dynasty", FACTS.heroes)
def test_a_dynasty_has_heroes_of_several_trades_and_no_name_twice(dynasty: str) -> None:
    heroes = FACTS.heroes[dynasty]
    assert len(heroes) >= 12
    assert len({hero.room for hero in heroes}) >= 4
    everyone = [hero.name for others in FACTS.heroes.values() for hero in others]
    assert all(sum(hero.name in name for name in everyone) == 1 for hero in heroes)
