"""Says whether a plain story makes sense, by recovering the grammar's facts from the text alone.

It knows the facts and the cell that was asked for, not the plan and not the writer: it reads a model's stories as well
as the grammar's. What it cannot recognise it does not pass, so it is a measure for tales, not for rich stories.
"""

import re
from dataclasses import dataclass

from services.engine.training.sample_stories import Cell
from services.engine.training.story_words import ENDINGS, words_for
from services.engine.training.tales.facts import Facts, Hero, Monster, read_facts
from services.engine.training.tales.verdict import SenseVerdict, is_told_once

SENTENCE_BREAKS = "。！？“”"
SHORTEST_REPEATED = 8
"""Characters of a sentence that may not come twice; shorter ones are calls such as “看我的！”."""
FARTHEST_SIGN = 70
"""Characters from the power's word to the sign that it has worked: about two sentences."""
FEWEST_POWER_WORDS = 2
"""Once where the hero gets the power, once where it is used."""

ULTRAMAN = "奥特曼"
FINISHES = tuple("打踢扔送敲抱捡抓甩举推拔拆赶锁摔拎追带牵放捧提补踩收关接背领拉拍扛照绕扶碰")
"""Verbs with which Ultraman ends a fight, by their first character."""


@dataclass(frozen=True)
class Sense(SenseVerdict):
    """The five questions, as far as a program can ask them, and the ending that the cell asks for."""

    one_hero: bool
    power_does_what_it_says: bool
    weakness_answered: bool
    ultraman_takes_part: bool
    ends_as_asked: bool
    nothing_contradicts: bool


def judge_sense(cell: Cell, text: str) -> Sense:
    """Recover the facts from the text and hold them against the cell and each other."""
    facts = read_facts()
    heroes = find_heroes(facts, text)
    monster = find_monster(facts, text)
    return Sense(
        one_hero=len(heroes) == 1 and _is_true_hero(facts, heroes[0], cell, text),
        power_does_what_it_says=monster is not None and _power_fits(facts, cell, monster, text),
        weakness_answered=monster is not None and _find_answer(cell, monster, text) is not None,
        ultraman_takes_part=monster is not None and _ultraman_ends_it(cell, monster, text),
        ends_as_asked=_ends_as_asked(facts, cell, text),
        nothing_contradicts=monster is not None
        and is_told_once(text, SENTENCE_BREAKS, SHORTEST_REPEATED)
        and len(_find_places(facts, text)) == 1
        and not _tells_of_another(facts, monster, text),
    )


def find_heroes(facts: Facts, text: str) -> list[Hero]:
    """Return every hero of any dynasty that the text names."""
    return [hero for heroes in facts.heroes.values() for hero in heroes if hero.name in text]


def find_monster(facts: Facts, text: str) -> Monster | None:
    """Return the monster of the text, None unless there is exactly one."""
    named = [monster for name, monster in facts.monsters.items() if name in text]
    return named[0] if len(named) == 1 else None


def _is_true_hero(facts: Facts, hero: Hero, cell: Cell, text: str) -> bool:
    """The hero lived then, has the true trade and fact and nobody else's, and is he or she throughout."""
    others = {other.fact for heroes in facts.heroes.values() for other in heroes if other.fact not in hero.fact}
    wrong_pronoun = "她" if hero.pronoun == "他" else "他"
    told = text.replace("他们", "")  # of the hero and Ultraman together
    return (
        hero.dynasty == cell.dynasty
        and any(word in text for word in words_for(cell.dynasty))
        and hero.trade in text
        and hero.fact in text
        and not any(fact in text for fact in others)
        and wrong_pronoun not in told
    )


def _power_fits(facts: Facts, cell: Cell, monster: Monster, text: str) -> bool:
    """The power asked for and no other is there, before the fight and in it, and is of use against this monster."""
    if text.count(cell.super_power) < FEWEST_POWER_WORDS:
        return False
    rest = text.replace(cell.super_power, "")
    if any(name in rest for name in facts.powers):
        return False
    power = facts.powers.get(cell.super_power)
    return power is None or any(need in power.deeds for need in monster.needs)


def _find_answer(cell: Cell, monster: Monster, text: str) -> int | None:
    """Return where the weakness is answered: its sign is seen after it was told and soon after the power was used."""
    told = text.find(monster.key)
    uses = [match.start() for match in re.finditer(re.escape(cell.super_power), text)][1:]
    for match in re.finditer(re.escape(monster.sign), text):
        seen = match.start()
        if 0 <= told < seen and any(0 < seen - used <= FARTHEST_SIGN for used in uses):
            return seen
    return None


def _ultraman_ends_it(cell: Cell, monster: Monster, text: str) -> bool:
    """Ultraman is there before the weakness is answered, and after that he ends the fight."""
    answered = _find_answer(cell, monster, text)
    if answered is None or ULTRAMAN not in text[:answered]:
        return False
    sentences = re.split(r"[。！？\n]", text[answered:])
    return any(ULTRAMAN in sentence and any(verb in sentence for verb in FINISHES) for sentence in sentences)


def _tells_of_another(facts: Facts, monster: Monster, text: str) -> bool:
    """Whether a weakness is told that is not this monster's."""
    own = set(monster.weak)
    return any(weak in text for other in facts.monsters.values() for weak in other.weak if weak not in own)


def _ends_as_asked(facts: Facts, cell: Cell, text: str) -> bool:
    """The kind is told of after the beginning, no other kind anywhere, and the text ends with a sentence."""
    others = [kind for kind in facts.kinds if kind != cell.story_type]
    return (
        cell.story_type in text[len(text) // 3 :]
        and not any(kind in text for kind in others)
        and text.strip().endswith(tuple(ENDINGS))
    )


def _find_places(facts: Facts, text: str) -> set[str]:
    return {place for name in ("places", "sea_places") for place in facts.ways[name] if place in text}
