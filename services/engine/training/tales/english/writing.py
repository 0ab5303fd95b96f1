"""Writes an English plan as a bedtime story in short plain sentences. Words and length are drawn, not facts."""

import random
from collections.abc import Iterable, Sequence

from services.engine.training.tales.drawing import Phrases
from services.engine.training.tales.english.cells import EnglishCell
from services.engine.training.tales.english.facts import EnglishFacts, read_facts
from services.engine.training.tales.english.plan import EnglishPlan, draw_plan

SHORTEST, LONGEST = 80, 150
"""Words of a story."""
TRIES = 10
"""Of one plan, so that the orders that come out shorter are not left out."""
PRONOUNS = {
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
}
"""By the words that stand for them in the facts."""
SHOW_SHARE, LIMIT_SHARE, TEMPT_SHARE, WONDER_SHARE = 0.8, 0.4, 0.4, 0.5
TRIED_SHARE, TURN_SHARE, THANKS_SHARE, LATE_SHARE, JOINED_SHARE = 0.9, 0.5, 0.4, 0.3, 0.4
"""How often a story that is told at length has a sentence that it can do without, or joins two paragraphs."""
BRIEF, *_ = LENGTHS = (0.0, 0.3, 0.7)
"""One is drawn for a story: it has that part of those sentences; a brief one also begins at once."""


def tell_tale(cell: EnglishCell, chance: random.Random) -> tuple[EnglishPlan, str]:
    """Plan and write a story for a cell: written anew, and planned anew, until its length is right."""
    facts = read_facts()
    while True:
        plan = draw_plan(cell, facts, chance)
        for _ in range(TRIES):
            text = EnglishWriter(plan, facts, chance).write()
            if SHORTEST <= len(text.split()) <= LONGEST:
                return plan, text


class EnglishWriter:
    """Writes one story: each step is a method that returns sentences, the plan's order strings them together."""

    def __init__(self, plan: EnglishPlan, facts: EnglishFacts, chance: random.Random) -> None:
        self._plan, self._facts, self._chance = plan, facts, chance
        self._length = chance.choice(LENGTHS)
        self._words = {
            **PRONOUNS[plan.pronoun],
            "name": plan.name,
            "keeper": plan.keeper.name,
            "place": plan.place.name,
            "short": plan.place.short,
            "there": f"{plan.place.name.split()[0]} {plan.place.short}",
            "staying": plan.place.staying,
            "season": plan.season.name,
            "a_season": f"{'an' if plan.season.name[0] in 'aeiou' else 'a'} {plan.season.name}",
            "surprise": plan.surprise.name,
            "word": plan.surprise.word,
            "helper": plan.helper,
            "told": plan.trouble.told,
        }
        self._say = Phrases(self._words, chance).say
        self._fill_words()

    def write(self) -> str:
        """Return the whole story, in three or four paragraphs."""
        orders = {
            "keeper_first": (self._open, self._trouble),
            "surprise_first": (self._begin, self._trouble),
            "trouble_first": (self._scene, self._enter),
        }
        first, second = (part() for part in orders[self._plan.order])
        paragraphs = [first, second, self._mend(), self._end()]
        if self._chance.random() < JOINED_SHARE:
            paragraphs[1:3] = [[*second, *paragraphs[2]]]
        return "\n\n".join(self._join(paragraph) for paragraph in paragraphs)

    def _fill_words(self) -> None:
        """Draw what other sentences quote, and give each word a form for the beginning of a sentence."""
        plan = self._plan
        quoted = {
            "air": plan.season.air,
            "errand": plan.keeper.errands,
            "found": plan.surprise.found,
            "weak": plan.trouble.weak,
            "choice": [plan.choice],
            "start": plan.trouble.starts,
            "target": [plan.trouble.target],
        }
        for word, choices in quoted.items():
            self._words[word] = self._say(choices)
        self._words |= {word.capitalize(): value[:1].upper() + value[1:] for word, value in self._words.items()}

    def _join(self, sentences: Iterable[str]) -> str:
        """Put a pronoun for the name where the sentence before has told who it is."""
        name, pronoun = self._plan.name, self._words["He"]
        joined = [""]
        for sentence in sentences:
            is_clear = name in joined[-1] and self._plan.helper not in joined[-1].lower()
            is_subject = sentence.startswith(f"{name} ") and not sentence.startswith(f"{name} and ")
            joined.append(sentence.replace(name, pronoun, 1) if is_clear and is_subject else sentence)
        return " ".join(joined[1:])

    def _ways(self, name: str) -> str:
        return self._say(self._facts.ways[name])

    def _perhaps(self, share: float, choices: Sequence[str]) -> list[str]:
        return [self._say(choices)] if self._chance.random() < share * self._length else []

    def _wish(self, part: int) -> list[str]:
        return [self._say([self._plan.wish[part]])] if self._plan.wish else []

    def _open(self) -> list[str]:
        return [self._ways("open"), *self._wish(0), self._ways("find"), *self._look(), *self._wonder()]

    def _begin(self) -> list[str]:
        return [self._ways("begin_brief" if self._length == BRIEF else "begin"), *self._look(), *self._wonder()]

    def _look(self) -> list[str]:
        surprise = self._plan.surprise
        return [*self._perhaps(SHOW_SHARE, surprise.shows), *self._perhaps(LIMIT_SHARE, surprise.limits)]

    def _wonder(self) -> list[str]:
        """Whether to keep it: not asked where somebody already waits for help."""
        if self._chance.random() < TEMPT_SHARE * self._length:
            return [self._say(self._plan.surprise.tempts), self._ways("but")]
        return self._perhaps(WONDER_SHARE, self._facts.ways["wonder"])

    def _trouble(self) -> list[str]:
        tried = self._perhaps(TRIED_SHARE, self._plan.trouble.tried)
        return [self._ways("comes"), *tried, self._ways("weak_keeper" if tried else "weak_helper")]

    def _scene(self) -> list[str]:
        tried = self._perhaps(TRIED_SHARE, self._plan.trouble.tried)
        return [self._ways("scene"), *tried, self._ways("weak_after_try" if tried else "weak_helper")]

    def _enter(self) -> list[str]:
        return [self._ways("enter_brief" if self._length == BRIEF else "enter"), *self._look()]

    def _mend(self) -> list[str]:
        trouble, ways = self._plan.trouble, self._facts.ways
        return [
            *self._perhaps(TURN_SHARE, ways["turn"]),
            self._say(self._plan.surprise.deeds[self._plan.need]),
            self._say(trouble.result),
            self._say(trouble.finish),
            *self._perhaps(THANKS_SHARE, ways["thanks"]),
        ]

    def _end(self) -> list[str]:
        plan, ways = self._plan, self._facts.ways
        answer = self._wish(1) if plan.order == "keeper_first" else []
        late = self._perhaps(LATE_SHARE, plan.season.late)
        choice = self._ways("choice_late" if late or self._chance.random() < LATE_SHARE else "choice_early")
        return [*late, choice, *answer, self._say([*ways["quiet"], *plan.place.quiet])]
