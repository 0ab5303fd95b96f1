"""Writes a plan as a story in short plain sentences. Words, openings and lengths are drawn; facts are the plan's."""

import random

from services.engine.training.sample_stories import Cell
from services.engine.training.story_words import has_loop
from services.engine.training.tales.drawing import Phrases
from services.engine.training.tales.facts import Facts, read_facts
from services.engine.training.tales.plan import Plan, draw_plan

SHORTEST, LONGEST = 120, 250
"""Characters of a story, without line breaks."""
BRIEF_SHARE, LIMIT_SHARE, JOIN_SHARE, AFTER_SHARE = 0.4, 0.3, 0.4, 0.8
"""How often a story is told briefly: no limit, no word of help, the power given and the end told in one sentence."""
DYNASTY_NAMES = {"魏": ("魏国", "曹魏"), "五代": ("五代", "五代时期"), "南北朝": ("南北朝", "南北朝时期")}
"""As a reader would say it; the others are called 唐朝 or 唐代."""


def tell_tale(cell: Cell, chance: random.Random) -> tuple[Plan, str]:
    """Plan and write a story for a cell: planned anew until its length is right."""
    facts = read_facts()
    while True:
        plan = draw_plan(cell, facts, chance)
        text = TaleWriter(plan, facts, chance).write()
        if SHORTEST <= len(text.replace("\n", "")) <= LONGEST and not has_loop(text):
            return plan, text


class TaleWriter:
    """Writes one story: each step is a method that returns sentences, the plan's order strings them together."""

    def __init__(self, plan: Plan, facts: Facts, chance: random.Random) -> None:
        self._plan, self._facts, self._chance = plan, facts, chance
        self._is_brief = chance.random() < BRIEF_SHARE
        self._dynasty = chance.choice(
            DYNASTY_NAMES.get(plan.cell.dynasty, (f"{plan.cell.dynasty}朝", f"{plan.cell.dynasty}代"))
        )
        words = {
            "hero": plan.hero.name,
            "ta": plan.hero.pronoun,
            "power": plan.power.name,
            "place": plan.place,
            "target": plan.monster.target,
            "monster": plan.monster.name,
            "fact": plan.hero.fact,
            "trade": plan.hero.trade,
            "dynasty": self._dynasty,
            "who": f"{self._dynasty}{plan.hero.trade}{plan.hero.name}",
        }
        self._words, self._say = words, Phrases(words, chance).say

    def write(self) -> str:
        """Return the whole story, in two or three paragraphs."""
        orders = {
            "hero_first": (self._open() + self._gift(), self._trouble() + self._ultraman() + self._join()),
            "monster_first": (self._scene() + self._ultraman(), self._arrive() + self._gift()),
            "power_in_need": (self._open(), self._trouble() + self._ultraman() + self._join() + self._gift_by_name()),
            "friends_first": (self._open() + self._gift() + self._befriend(), self._trouble() + self._ultraman()),
        }
        first, second = orders[self._plan.order]
        fight = self._fight()
        third = fight + self._end(fight)
        if self._chance.random() < 0.5:
            return f"{first}\n\n{second}{self._find()}\n\n{third}"
        return f"{first}\n\n{second}{self._find()}{third}"

    def _ways(self, name: str) -> str:
        return self._say(self._facts.ways[name])

    def _open(self) -> str:
        wish = f"{self._say([self._plan.wish.want])}。" if self._plan.wish else ""
        return f"{self._ways('open')}{wish}{self._ways('day')}{self._ways('travel')}。"

    def _arrive(self) -> str:
        wish = f"{self._say([self._plan.wish.want])}。" if self._plan.wish else ""
        return f"{self._ways('arrival')}。{self._words['ta']}{self._plan.hero.fact}。{wish}"

    def _gift(self) -> str:
        if self._is_brief:
            return self._ways("brief_gift")
        if self._chance.random() < 0.3:
            gift = self._ways("plain_gift")
        else:
            gift = self._say(self._plan.power.shows) + self._ways("gift")
        if self._chance.random() < LIMIT_SHARE:
            gift += self._say(("不过，", "可是，", "只是")) + self._say(self._plan.power.limits) + "。"
        return gift

    def _gift_by_name(self) -> str:
        """After Ultraman's sentence a pronoun would be his."""
        return self._gift().replace(self._words["ta"], self._plan.hero.name, 1)

    def _scene(self) -> str:
        return f"{self._ways('scene')}它{self._say(self._plan.monster.harm)}。"

    def _trouble(self) -> str:
        monster = self._plan.monster
        return f"{self._ways('time')}，一只{monster.name}{self._say(monster.appears)}，{self._say(monster.harm)}。"

    def _befriend(self) -> str:
        return self._ways("friends")

    def _ultraman(self) -> str:
        return f"{self._ways('comes')}，{self._ways('but')}{self._say(self._plan.monster.blocked)}。"

    def _join(self) -> str:
        return self._ways("joins") if not self._is_brief and self._chance.random() < JOIN_SHARE else ""

    def _find(self) -> str:
        if self._plan.power_finds_out:
            return ""
        self._words["weak"] = self._chance.choice(self._plan.monster.weak)
        return self._ways("finds")

    def _fight(self) -> str:
        plan, kind = self._plan, self._facts.kinds[self._plan.cell.story_type]
        misses = plan.power.misses or self._facts.misses[plan.need]
        self._words["miss"] = self._say(misses)
        before, *beginnings = self._chance.choice([*kind.before, *(() if plan.power_finds_out else kind.told)])
        deed = self._say(beginnings) + self._say(plan.power.deeds[plan.need])
        result = self._say(plan.monster.result)
        if plan.power_finds_out:
            deed, result = f"{deed}：{self._chance.choice(plan.monster.weak)}", f"。{result}"
        else:
            result = f"，{result}"
        return f"{self._say([before])}{deed}{result}。{self._say(plan.monster.finish)}"

    def _end(self, fight: str) -> str:
        answer = self._say([self._plan.wish.answer]) if self._plan.wish else ""
        is_told = self._plan.cell.story_type in fight
        if is_told and (self._is_brief or (answer and self._chance.random() > AFTER_SHARE)):
            return answer
        return self._say(self._facts.kinds[self._plan.cell.story_type].after) + answer
