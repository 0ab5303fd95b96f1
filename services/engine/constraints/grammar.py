"""Says what a text must be, in the words of llguidance. Knows nothing of tokens, and of requests only their fields'
names."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llguidance import LLMatcher, grammar_from

JSON_LAYOUT: Final = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
"""On one line, with a blank after a comma or colon or none: where blanks are free, a weak model writes nothing else
until its tokens end."""


@dataclass(frozen=True)
class Grammar:
    """What a text must be, as llguidance reads it, and the field of the request that wants it."""

    text: str
    param: str


def demand_json(schema: dict[str, Any], param: str, *, lenient: bool = False) -> Grammar:
    """Ask for JSON that a schema admits; with `lenient`, keywords that cannot be obeyed are passed over."""
    layout: Any = {**JSON_LAYOUT, "lenient": lenient}
    return Grammar(LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=layout), param)


def demand_match(pattern: str, param: str) -> Grammar:
    """Ask for a text that a regular expression matches from end to end."""
    return Grammar(LLMatcher.grammar_from_regex(pattern), param)


def demand_choice(choices: Sequence[str], param: str) -> Grammar:
    """Ask for one of a few texts."""
    spelled = (json.dumps(choice, ensure_ascii=False) for choice in choices)
    return Grammar(LLMatcher.grammar_from_lark("start: " + " | ".join(spelled)), param)


def demand_grammar(grammar: str, param: str) -> Grammar:
    """Ask for what a grammar of Lark's or GBNF's form generates. Raises: ValueError for GBNF that is none."""
    return Grammar(grammar_from("grammar", grammar), param)
