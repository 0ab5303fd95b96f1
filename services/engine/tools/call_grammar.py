"""The grammar of an answer that may call functions: free text, or a call whose arguments obey their schema."""

import json
from collections.abc import Sequence
from typing import Any, Final

from services.engine.constraints.grammar import JSON_LAYOUT, Grammar
from services.engine.tools.choice import Tool, ToolChoice
from services.engine.tools.layout import BEFORE_ARGUMENTS, BEFORE_NAME, BEGIN, BETWEEN, END

MOST_CALLS: Final = 16
"""Calls in one answer: a weak model repeats itself."""


def demand_calls(choice: ToolChoice, param: str, answer: dict[str, Any] | None = None) -> Grammar:
    """Ask for calls, or, where none is required, for text; with a schema for the `answer`, for JSON in its place."""
    more = f"({_quote(BETWEEN + BEGIN)} call){{0,{MOST_CALLS - 1}}}" if choice.is_parallel else ""
    calls = f"call {more}"
    if choice.is_required:
        rules = [f"start: {_quote(BEGIN)} {calls}"]
    elif answer is not None:
        rules = [f"start: answer | {_quote(BEGIN)} {calls}", f"answer: %json {_lay_out(answer, lenient=True)}"]
    else:
        # Lazy: as soon as the text has begun a call, it is one.
        rules = [f"start: TEXT | begin {calls}", "TEXT: /(.|\\n)*/", f"begin[lazy]: TEXT {_quote(BEGIN)}"]
    return Grammar("\n".join([*rules, *_spell_calls(choice.callable)]), param)


def _spell_calls(tools: Sequence[Tool]) -> list[str]:
    rules = ["call: " + " | ".join(f"call_{place}" for place in range(len(tools)))]
    for place, tool in enumerate(tools):
        before = _quote(BEFORE_NAME + tool.name + BEFORE_ARGUMENTS)
        rules.append(f"call_{place}: {before} arguments_{place} {_quote(END)}")
        rules.append(f"arguments_{place}: %json {_lay_out(tool.parameters, lenient=not tool.strict)}")
    return rules


def _lay_out(schema: dict[str, Any], *, lenient: bool) -> str:
    return json.dumps({**schema, "x-guidance": {**JSON_LAYOUT, "lenient": lenient}})


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
