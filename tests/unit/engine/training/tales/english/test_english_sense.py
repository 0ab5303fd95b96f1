"""The check of English sense: it passes what the grammar tells, and finds out what was broken in it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import pytest

from services.engine.training.tales.english.cells import draw_cells, kept_cells
from services.engine.training.tales.english.facts import read_facts
from services.engine.training.tales.english.plan import EnglishPlan
from services.engine.training.tales.english.sense import judge_sense
from services.engine.training.tales.english.writing import tell_tale

TOLD = 600
BROKEN = 60
FACTS = read_facts()
Break = Callable[[EnglishPlan, str], str]


@cache
def tell() -> list[tuple[EnglishPlan, str]]:
    """Return the tales of a fixed seed, with their plans; the kept cells are among them."""
    chance = random.Random("sense")
    cells = [*kept_cells(), *(cell for cell, _ in zip(draw_cells(chance), range(TOLD - 30), strict=False))]
    return [tell_tale(cell, chance) for cell in cells]


def test_every_tale_makes_sense() -> None:
    assert [(text, lacks) for plan, text in tell() if (lacks := judge_sense(plan.cell, text).lacks)] == []


def other_than(known: Iterable[str], name: str) -> str:
    return next(other for other in known if other != name)


def swap_last(text: str, old: str, new: str) -> str:
    """Put `new` in the place where `old` stands last."""
    head, found, tail = text.rpartition(old)
    return head + new + tail if found else text


def other_keeper(plan: EnglishPlan, text: str) -> str:
    return text.replace(plan.keeper.name, other_than(FACTS.keepers, plan.keeper.name))


def other_name(plan: EnglishPlan, text: str) -> str:
    other = other_than(FACTS.names[plan.pronoun], plan.name)
    return swap_last(text, plan.name, other) if text.count(plan.name) > 1 else text


def other_pronoun(plan: EnglishPlan, text: str) -> str:
    return text + (" She slept." if plan.pronoun == "he" else " He slept.")


def elsewhere(plan: EnglishPlan, text: str) -> str:
    return text.replace(plan.place.name, other_than(FACTS.places, plan.place.name))


def other_season(plan: EnglishPlan, text: str) -> str:
    return f"It was {other_than(FACTS.seasons, plan.season.name)}. {text}"


def other_surprise(plan: EnglishPlan, text: str) -> str:
    return text.replace(plan.surprise.name, other_than(FACTS.surprises, plan.surprise.name))


def surprise_of_no_use(plan: EnglishPlan, text: str) -> str:
    """Another trouble, that asks for what this surprise cannot do."""
    other = next(t for t in FACTS.troubles.values() if not set(t.needs) & set(plan.surprise.deeds))
    return text.replace(plan.trouble.name, other.name)


def two_troubles(plan: EnglishPlan, text: str) -> str:
    return f"{text} There was the {other_than(FACTS.troubles, plan.trouble.name)}. All was quiet."


def unmended(plan: EnglishPlan, text: str) -> str:
    for result in plan.trouble.result:
        text = text.replace(result, "Nothing happened.")
    return text


def never_told_what_would_help(plan: EnglishPlan, text: str) -> str:
    for weak in plan.trouble.weak:
        text = text.replace(weak, "oh").replace(weak[:1].upper() + weak[1:], "Oh")
    return text


def what_would_help_elsewhere(plan: EnglishPlan, text: str) -> str:
    return f"“{FACTS.troubles[other_than(FACTS.troubles, plan.trouble.name)].weak[0]},” they said. {text}"


def no_helper(plan: EnglishPlan, text: str) -> str:
    return text.replace(plan.helper, "nobody").replace(plan.helper[:1].upper() + plan.helper[1:], "Nobody")


def undecided(plan: EnglishPlan, text: str) -> str:
    return text.replace("decide", "guesse")


def noisy_end(plan: EnglishPlan, text: str) -> str:
    return f"{text} Then the drums began."


def cut_off(plan: EnglishPlan, text: str) -> str:
    return text[:-2]


def looped(plan: EnglishPlan, text: str) -> str:
    sentence = max(text.replace("\n", " ").split(". "), key=len)
    return f"{sentence}. {text}"


@pytest.mark.parametrize(
    ("broken", "lacks"),
    [
        (other_keeper, "one_keeper"),
        (other_name, "one_keeper"),
        (other_pronoun, "one_keeper"),
        (elsewhere, "here_and_then"),
        (other_season, "here_and_then"),
        (other_surprise, "surprise_does_what_it_says"),
        (surprise_of_no_use, "surprise_does_what_it_says"),
        (two_troubles, "nothing_contradicts"),
        (unmended, "trouble_mended"),
        (never_told_what_would_help, "trouble_mended"),
        (what_would_help_elsewhere, "nothing_contradicts"),
        (no_helper, "helper_takes_part"),
        (undecided, "decides_before_morning"),
        (noisy_end, "ends_quietly"),
        (cut_off, "ends_quietly"),
        (looped, "nothing_contradicts"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_broken_tale_is_found_out(broken: Break, lacks: str) -> None:
    changed = [(plan, broken(plan, text)) for plan, text in tell()[:BROKEN] if broken(plan, text) != text]
    assert len(changed) > BROKEN / 3
    assert [text for plan, text in changed if lacks not in judge_sense(plan.cell, text).lacks] == []


def test_a_trouble_that_the_place_cannot_have_is_found_out() -> None:
    plan, text = next((plan, text) for plan, text in tell() if plan.trouble.has == ["rails"])
    elsewhere_cell = replace(plan.cell, place="in a windmill")
    moved = text.replace(plan.place.name, elsewhere_cell.place)
    assert "nothing_contradicts" in judge_sense(elsewhere_cell, moved).lacks


def test_a_story_of_another_kind_is_not_taken_for_a_tale() -> None:
    plan, _ = tell()[0]
    text = f"A {plan.keeper.name} found {plan.surprise.name} {plan.place.name} in {plan.season.name}. It was quiet."
    assert not judge_sense(plan.cell, text).passes
