"""What a story must be to be taken: a recipe's rules, read once and asked of each text. Pure; knows no model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from services.preparation.findings.scripts import LOOKED_AT_CHARACTERS, NAMES, dominant_scripts
from shared.contracts.storable import cut_text
from shared.outside.providers.border.json_values import is_whole_json
from shared.texts.sentence_ends import SENTENCE_ENDS

USUAL_TRIES: Final = 5
LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class StoryRules:
    """The rules of a recipe; what is not given is not asked."""

    min_characters: int | None = None
    max_characters: int | None = None
    """Code points, without the white space around the text."""
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()
    ends_properly: bool = False
    """The text ends with the sign of a sentence's end, and was not cut."""
    finish_reason: str | None = None
    is_json: bool = False
    json_schema: Mapping[str, Any] | None = None
    """The text is JSON that meets it. Asked in a process of its own, after all the others."""
    script: str | None = None
    """The name of the script that the text is written in, from its beginning to its end."""
    distinct: bool = False
    """No two stories of a run have the same text. Asked when a story is settled: one text alone does not say."""
    near_distinct: bool = False
    """Nor nearly the same. Asked like `distinct`, before it."""
    raise_max_tokens: int | None = None
    """A text that was cut is asked for once more with so many, before it is held to the other rules."""
    tries: int = USUAL_TRIES
    """So many texts are asked for at most, before a story is given up as rejected."""

    def find_breach(self, text: str, finish_reason: str | None) -> str | None:
        """Return the first rule that a text breaks, in words; None when it keeps all."""
        return next(self._find_breaches(text.strip(), finish_reason), None)

    def _find_breaches(self, text: str, finish_reason: str | None) -> Iterator[str]:
        if self.finish_reason is not None and finish_reason != self.finish_reason:
            yield f"finish_reason is {finish_reason or 'missing'}, not {self.finish_reason}"
        if self.min_characters is not None and len(text) < self.min_characters:
            yield f"{len(text)} characters, fewer than {self.min_characters}"
        if self.max_characters is not None and len(text) > self.max_characters:
            yield f"{len(text)} characters, more than {self.max_characters}"
        yield from self._find_unwanted_words(text)
        yield from self._find_bad_form(text, finish_reason)

    def _find_unwanted_words(self, text: str) -> Iterator[str]:
        for words in self.must_contain:
            if words not in text:
                yield f"does not contain {show(words)}"
        for words in self.must_not_contain:
            if words in text:
                yield f"contains {show(words)}"

    def _find_bad_form(self, text: str, finish_reason: str | None) -> Iterator[str]:
        if self.ends_properly and (finish_reason == "length" or text[-1:] not in SENTENCE_ENDS):
            yield f"does not end properly: {show(text[-LONGEST_SHOWN // 4 :])}"
        if self.is_json and not is_whole_json(text):
            yield "is no JSON"
        if self.script is not None and (strange := find_strange_script(text, self.script)):
            yield f"{strange}, not in {self.script}"


def read_rules(stored: Mapping[str, Any] | None) -> StoryRules | None:
    """Return the rules of a recipe version; None without any. Names that are newer than this process are left out."""
    if not stored:
        return None
    known = {field.name for field in fields(StoryRules)}
    given = {name: value for name, value in stored.items() if name in known and value is not None}
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return StoryRules(**values)


def find_strange_script(text: str, script: str) -> str | None:
    """Return in which other script a text is mainly written, stretch by stretch, in words; None when it is in this one.
    A short rest at the end says little, and is passed over; Japanese may have stretches without kana."""
    stretches = [text[at : at + LOOKED_AT_CHARACTERS] for at in range(0, len(text), LOOKED_AT_CHARACTERS)]
    if len(stretches) > 1 and len(stretches[-1]) < LOOKED_AT_CHARACTERS // 2:
        stretches.pop()
    found = [NAMES[kind] for kind in dominant_scripts(stretches) if kind]
    others = [name for name in found if name != script and (script, name) != ("kana", "Han")]
    if others:
        return f"is {'partly ' if script in found else ''}written in {others[0]}"
    return None if script in found else f"is written in {found[0] if found else 'no letters'}"


def show(words: str) -> str:
    """Return words as a reason repeats them."""
    return f"{cut_text(words, LONGEST_SHOWN)!r}"
