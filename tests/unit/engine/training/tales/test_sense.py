"""The check of sense: it passes what the grammar tells, and finds out what was broken in it."""

import random
from collections.abc import Callable
from functools import cache

import pytest

from services.engine.training.sample_stories import read_sample_stories
from services.engine.training.tales.cells import draw_cells
from services.engine.training.tales.facts import read_facts
from services.engine.training.tales.plan import Plan
from services.engine.training.tales.sense import judge_sense
from services.engine.training.tales.writing import tell_tale

TOLD = 2000
BROKEN = 150
FACTS = read_facts()
Break = Callable[[Plan, str], str]


@cache
def tell() -> list[tuple[Plan, str]]:
    """Return the tales of a fixed seed, with their plans."""
    chance = random.Random("sense")
    return [tell_tale(cell, chance) for cell, _ in zip(draw_cells(chance), range(TOLD), strict=False)]


def test_every_tale_makes_sense() -> None:
    failed = [(text, lacks) for plan, text in tell() if (lacks := judge_sense(plan.cell, text).lacks)]
    assert failed == []


def swap_last(text: str, old: str, new: str) -> str:
    """Put `new` in the place where `old` stands last."""
    head, found, tail = text.rpartition(old)
    return head + new + tail if found else text


def other_hero(plan: Plan, text: str) -> str:
    other = next(hero for hero in FACTS.heroes[plan.cell.dynasty] if hero.name != plan.hero.name)
    return swap_last(text, plan.hero.name, other.name)


def hero_of_another_time(plan: Plan, text: str) -> str:
    other = next(hero for hero in FACTS.heroes["唐" if plan.cell.dynasty != "唐" else "宋"] if hero.name not in text)
    return text.replace(plan.hero.name, other.name)


def fact_of_another(plan: Plan, text: str) -> str:
    others = [hero for hero in FACTS.heroes[plan.cell.dynasty] if hero.fact != plan.hero.fact]
    return text.replace(plan.hero.fact, others[0].fact)


def other_pronoun(plan: Plan, text: str) -> str:
    other = "她" if plan.hero.pronoun == "他" else "他"
    return text.replace(f"{plan.hero.fact}。", f"{plan.hero.fact}。{other}很高兴。")


def hero_without_name(plan: Plan, text: str) -> str:
    return text.replace(plan.hero.name, "阿福")


def no_power(plan: Plan, text: str) -> str:
    return text.replace(plan.power.name, "本领")


def other_power(plan: Plan, text: str) -> str:
    other = next(name for name in FACTS.powers if name != plan.power.name)
    return text.replace(plan.power.name, other)


def two_powers(plan: Plan, text: str) -> str:
    other = next(name for name in FACTS.powers if name not in plan.power.name)
    return swap_last(text, plan.power.name, other)


def power_of_no_use(plan: Plan, text: str) -> str:
    """Another monster, whose weakness asks for what this power cannot do."""
    other = next(m for m in FACTS.monsters.values() if not set(m.needs) & set(plan.power.deeds))
    return text.replace(plan.monster.name, other.name)


def two_monsters(plan: Plan, text: str) -> str:
    other = next(name for name in FACTS.monsters if name != plan.monster.name)
    return f"{text}{other}又来了。"


def other_weakness(plan: Plan, text: str) -> str:
    other = next(m for m in FACTS.monsters.values() if m.key not in text and plan.monster.key not in "".join(m.weak))
    for weak in plan.monster.weak:
        text = text.replace(weak, other.weak[0])
    return text


def unanswered(plan: Plan, text: str) -> str:
    for result in plan.monster.result:
        written = result.format(ta=plan.hero.pronoun, hero=plan.hero.name)
        text = text.replace(written, "怪兽走了")
    return text


def no_ultraman_at_the_end(plan: Plan, text: str) -> str:
    start = max(text.rfind(plan.power.name, 0, text.find(finish)) for finish in plan.monster.finish if finish in text)
    return text[:start] + text[start:].replace("奥特曼", "大家")


def other_kind(plan: Plan, text: str) -> str:
    return text.replace(plan.cell.story_type, "轻松" if plan.cell.story_type != "轻松" else "艰难")


def cut_off(plan: Plan, text: str) -> str:
    return text[:-2]


def looped(plan: Plan, text: str) -> str:
    sentence = max(text.replace("\n", "").split("。"), key=len)
    return f"{text}{sentence}。"


def elsewhere(plan: Plan, text: str) -> str:
    other = next(place for place in FACTS.ways["places"] if place != plan.place)
    return f"{text}这里是{other}。"


@pytest.mark.parametrize(
    ("broken", "lacks"),
    [
        (other_hero, "one_hero"),
        (hero_of_another_time, "one_hero"),
        (fact_of_another, "one_hero"),
        (other_pronoun, "one_hero"),
        (hero_without_name, "one_hero"),
        (no_power, "power_does_what_it_says"),
        (other_power, "power_does_what_it_says"),
        (two_powers, "power_does_what_it_says"),
        (power_of_no_use, "power_does_what_it_says"),
        (two_monsters, "weakness_answered"),
        (other_weakness, "nothing_contradicts"),
        (unanswered, "weakness_answered"),
        (no_ultraman_at_the_end, "ultraman_takes_part"),
        (other_kind, "ends_as_asked"),
        (cut_off, "ends_as_asked"),
        (looped, "nothing_contradicts"),
        (elsewhere, "nothing_contradicts"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_broken_tale_is_found_out(broken: Break, lacks: str) -> None:
    changed = [(plan, broken(plan, text)) for plan, text in tell()[:BROKEN] if broken(plan, text) != text]
    assert len(changed) > BROKEN / 3
    assert [text for plan, text in changed if lacks not in judge_sense(plan.cell, text).lacks] == []


def test_a_rich_story_is_not_taken_for_a_tale() -> None:
    assert not any(judge_sense(story.cell, story.text).passes for story in read_sample_stories())
