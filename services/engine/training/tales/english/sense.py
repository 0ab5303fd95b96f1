"""Says whether an English story makes sense, by recovering the grammar's facts from the text alone.

It knows the facts and the cell that was asked for, not the plan and not the writer, as `tales/sense.py` does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.engine.training.tales.english.cells import EnglishCell
from services.engine.training.tales.english.facts import EnglishFacts, Trouble, read_facts
from services.engine.training.tales.english.writing import PRONOUNS
from services.engine.training.tales.verdict import SenseVerdict, is_told_once

SENTENCE_BREAKS = ".?!:“”"
SHORTEST_REPEATED, LOOP = 35, 45
"""Characters of a sentence that may not come twice, and of a piece that may not come three times.

Shorter sentences are such as “asked the charcoal burner”.
"""
FARTHEST_SIGN = 260
"""Characters from the surprise's word to the sign that it has worked: about three sentences."""
FARTHEST_CHOICE = 160
"""Characters around the word that tells of a choice, in which the surprise and the morning are named."""


@dataclass(frozen=True)
class EnglishSense(SenseVerdict):
    """What readers are asked, as far as a program can."""

    one_keeper: bool
    here_and_then: bool
    surprise_does_what_it_says: bool
    trouble_mended: bool
    helper_takes_part: bool
    decides_before_morning: bool
    ends_quietly: bool
    nothing_contradicts: bool


def judge_sense(cell: EnglishCell, text: str) -> EnglishSense:
    """Recover the facts from the text and hold them against the cell and each other."""
    facts = read_facts()
    trouble = find_trouble(facts, text)
    mended = find_mended(facts, cell, trouble, text) if trouble else None
    return EnglishSense(
        one_keeper=_is_one_keeper(facts, cell, text),
        here_and_then=_only(facts.places, text) == cell.place and _only(facts.seasons, text) == cell.season,
        surprise_does_what_it_says=trouble is not None and _surprise_fits(facts, cell, trouble, text),
        trouble_mended=mended is not None,
        helper_takes_part=mended is not None and _helper_takes_part(facts, cell, text, mended),
        decides_before_morning=mended is not None and _decides(facts, cell, text[mended:]),
        ends_quietly=_ends_quietly(facts, text),
        nothing_contradicts=trouble is not None
        and is_told_once(text, SENTENCE_BREAKS, SHORTEST_REPEATED, LOOP)
        and trouble.can_happen(facts.places[cell.place], cell.season)
        and not _tells_of_another(facts, trouble, text),
    )


def has_words(words: str, text: str) -> bool:
    """Whether the words stand in the text, as words and in any case."""
    if words.lower() not in text.lower():  # most are not: an expression for each would be compiled again and again
        return False
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def find_trouble(facts: EnglishFacts, text: str) -> Trouble | None:
    """Return the trouble of the text, None unless there is exactly one."""
    name = _only(facts.troubles, text)
    return facts.troubles[name] if name else None


def find_mended(facts: EnglishFacts, cell: EnglishCell, trouble: Trouble, text: str) -> int | None:
    """Return where the trouble is mended: the sign comes after what would help was told and soon after the deed."""
    told = text.lower().find(trouble.key)
    word = facts.surprises[cell.surprise].word
    uses = [match.start() for match in re.finditer(rf"\b{word}\b", text, re.IGNORECASE)][1:]
    for match in re.finditer(re.escape(trouble.sign), text):
        seen = match.start()
        if 0 <= told < seen and any(0 < seen - used <= FARTHEST_SIGN for used in uses):
            return seen
    return None


def _only(names: Iterable[str], text: str) -> str | None:
    """Return the name of which the text tells, None unless it is one and no other."""
    named = [name for name in names if has_words(name, text)]
    return named[0] if len(named) == 1 else None


def _is_one_keeper(facts: EnglishFacts, cell: EnglishCell, text: str) -> bool:
    """The keeper asked for and no other, with one name, and he or she throughout."""
    named = [(name, pronoun) for pronoun, names in facts.names.items() for name in names if has_words(name, text)]
    if _only(facts.keepers, text) != cell.keeper or len(named) != 1:
        return False
    wrong = {word for pronoun, words in PRONOUNS.items() if pronoun != named[0][1] for word in words.values()}
    return not any(has_words(word, text) for word in wrong)


def _surprise_fits(facts: EnglishFacts, cell: EnglishCell, trouble: Trouble, text: str) -> bool:
    """The surprise asked for and no other is found, used, and of use in this trouble."""
    surprise = facts.surprises[cell.surprise]
    return _only(facts.surprises, text) == cell.surprise and any(need in surprise.deeds for need in trouble.needs)


def _helper_takes_part(facts: EnglishFacts, cell: EnglishCell, text: str, mended: int) -> bool:
    """After the trouble is mended, one who belongs to the place does something."""
    return any(has_words(helper, text[mended:]) for helper in facts.places[cell.place].helpers)


def _decides(facts: EnglishFacts, cell: EnglishCell, rest: str) -> bool:
    """What to do with the surprise is decided, and before morning."""
    word = facts.surprises[cell.surprise].word
    for match in re.finditer(r"\bdecided?\b", rest):
        around = rest[max(0, match.start() - FARTHEST_CHOICE) : match.end() + FARTHEST_CHOICE]
        if has_words(word, around) and re.search(r"\b(morning|dawn)\b", around, re.IGNORECASE):
            return True
    return False


def _ends_quietly(facts: EnglishFacts, text: str) -> bool:
    last = re.split(r"(?<=[.?!”])\s", text.strip())[-1]
    return last.endswith(".") and any(has_words(word, last) for word in facts.ways["quiet_words"])


def _tells_of_another(facts: EnglishFacts, trouble: Trouble, text: str) -> bool:
    """Whether it is told what would mend another trouble."""
    others = (weak for other in facts.troubles.values() if other != trouble for weak in other.weak)
    return any(weak in text.lower() for weak in others)
