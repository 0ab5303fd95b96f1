"""What the English grammar tells: for which cells, how alike, how long, and the same for a seed."""

import csv
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

from services.engine.training.tales.__main__ import main
from services.engine.training.tales.english.cells import english_cells, kept_cells, recipe_cells
from services.engine.training.tales.english.collection import COLUMNS, tell_english_tales
from services.engine.training.tales.english.facts import EnglishFacts, read_facts
from services.engine.training.tales.english.plan import ORDERS
from services.engine.training.tales.english.sense import has_words
from services.engine.training.tales.english.writing import LONGEST, SHORTEST, tell_tale

TOLD = 500
PIECE = 6
"""In words: how alike two stories are is told by the pieces of this length that both have."""
LARGEST_SHARE = 0.4
FACTS = read_facts()
TALES = list(tell_english_tales(TOLD, seed=7))


def test_no_cell_that_is_kept_for_measuring_is_told() -> None:
    assert len(set(kept_cells())) == 30
    assert set(kept_cells()) <= set(recipe_cells())
    assert {tale.cell for tale in TALES} <= set(english_cells())
    assert not set(english_cells()) & set(kept_cells())


def test_every_other_cell_of_the_recipe_can_be_told() -> None:
    assert set(recipe_cells()) - set(kept_cells()) <= set(english_cells())


def test_every_value_is_told() -> None:
    known = {
        "place": FACTS.places,
        "season": FACTS.seasons,
        "keeper": FACTS.keepers,
        "surprise": FACTS.surprises,
    }
    for part, values in known.items():
        assert {getattr(tale.cell, part) for tale in TALES} == set(values)


def test_every_surprise_is_of_use_everywhere_and_all_the_year() -> None:
    every = [
        (s, p, season) for s in FACTS.surprises.values() for p in FACTS.places.values() for season in FACTS.seasons
    ]
    assert [(s.name, p.name, season) for s, p, season in every if not FACTS.troubles_for(s, p, season)] == []


def test_tales_have_many_plots_openings_orders_and_lengths() -> None:
    chance = random.Random("many")
    plans = [tell_tale(tale.cell, chance)[0] for tale in TALES]
    assert len({plan.plot for plan in plans}) > 50
    assert min(Counter(plan.order for plan in plans)[order] for order in ORDERS) > TOLD / 6
    assert len({" ".join(tale.text.split()[:3]) for tale in TALES}) > TOLD / 5
    lengths = [len(tale.text.split()) for tale in TALES]
    assert all(SHORTEST <= length <= LONGEST for length in lengths)
    assert max(lengths) - min(lengths) > 40


def test_tales_for_the_kept_cells_share_few_words_and_have_many_plots() -> None:
    chance = random.Random("kept")
    told = [tell_tale(cell, chance) for cell in kept_cells()]
    words = [text.split() for _, text in told]
    pieces = [{tuple(w[i : i + PIECE]) for i in range(len(w) - PIECE + 1)} for w in words]
    shares = [len(one & other) / min(len(one), len(other)) for one, other in combinations(pieces, 2)]
    assert max(shares) <= LARGEST_SHARE
    assert sum(shares) / len(shares) < 0.05
    assert len({plan.plot for plan, _ in told}) >= 20


def test_a_seed_tells_the_same_tales_and_more_of_them() -> None:
    assert list(tell_english_tales(20, seed=7)) == TALES[:20]
    assert list(tell_english_tales(20, seed=8)) != TALES[:20]


def test_the_command_writes_the_recipes_attributes_and_the_story(tmp_path: Path) -> None:
    main(["--language", "en", "--count", "3", "--seed", "7", "--output", str(tmp_path / "tales.csv")])
    with (tmp_path / "tales.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["story"] for row in rows] == [tale.text for tale in TALES[:3]]


def find_unrecoverable(facts: EnglishFacts) -> list[tuple[str, str]]:
    """Return what of the facts a program could not recover from a text."""
    wrong = []
    for trouble in facts.troubles.values():
        wrong += [(trouble.name, start) for start in trouble.starts if not has_words(trouble.name, start)]
        wrong += [(trouble.name, weak) for weak in trouble.weak if trouble.key not in weak]
        wrong += [(trouble.name, result) for result in trouble.result if trouble.sign not in result]
        elsewhere = (*trouble.starts, *trouble.tried, *trouble.weak, *trouble.finish, trouble.told)
        wrong += [(trouble.name, other) for other in elsewhere if trouble.sign in other]
        wrong += [(trouble.name, finish) for finish in trouble.finish if "{Helper}" not in finish]
        wrong += [(trouble.name, "told")] if ("warn" in trouble.needs) != bool(trouble.told) else []
        wrong += [
            (trouble.name, deed)
            for surprise in facts.surprises.values()
            for need in trouble.needs
            for deed in surprise.deeds.get(need, ())
            if trouble.sign in deed
        ]
    for surprise in facts.surprises.values():
        chosen = [*surprise.choices, *(deed for deeds in surprise.deeds.values() for deed in deeds)]
        wrong += [(surprise.name, text) for text in chosen if surprise.word not in text and "{name}" not in text]
        wrong += [(surprise.name, text) for text in surprise.choices if not has_words(surprise.word, text)]
    quiet = [*facts.ways["quiet"], *(text for place in facts.places.values() for text in place.quiet)]
    return wrong + [("quiet", text) for text in quiet if not any(has_words(w, text) for w in facts.ways["quiet_words"])]


def test_the_facts_can_be_recovered_from_what_they_are_told_with() -> None:
    assert find_unrecoverable(FACTS) == []
