"""Tells functions, calls and results to a model: in its own template's way, or in plain words where it has none."""

import json
from collections.abc import Sequence
from typing import Any

from services.engine.tools.choice import Tool
from services.engine.tools.layout import RESULT, spell_call

Message = dict[str, Any]
"""A message as chat templates read it: role, content, and with a call or a result what belongs to it."""

PREAMBLE = """You may call functions. To call one, write a block like this for each call, and nothing after the last:
{example}
The functions, each with the JSON schema of its arguments:
{tools}"""
EXAMPLE = spell_call("…", "{…}")


def spell_plainly(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """Return messages of role and content alone: the functions before the first content, calls within the assistant's,
    results as the user's, those that follow each other in one message."""
    plain: list[Message] = []
    for message in messages:
        content = _spell_content(message)
        follows_result = bool(plain) and message["role"] == "tool" and plain[-1]["role"] == "tool"
        if follows_result:
            plain[-1]["content"] += "\n" + content
        else:
            plain.append({"role": message["role"], "content": content})
    for message in plain:
        message["role"] = "user" if message["role"] == "tool" else message["role"]
    if tools and plain:
        told = "\n".join(json.dumps(tool.told["function"], ensure_ascii=False) for tool in tools)
        preamble = PREAMBLE.format(example=EXAMPLE, tools=told)
        plain[0]["content"] = f"{preamble}\n\n{plain[0]['content']}"
    return plain


def _spell_content(message: Message) -> str:
    content = str(message["content"])
    if message["role"] == "tool":
        return RESULT.format(content)
    functions = [call["function"] for call in message.get("tool_calls", ())]
    calls = [spell_call(one["name"], _spell_arguments(one["arguments"])) for one in functions]
    return "\n".join(part for part in (content, *calls) if part)


def _spell_arguments(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
