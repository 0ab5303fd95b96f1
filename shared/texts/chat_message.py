"""The text of a chat message. Apart from the encodings, which take a third of a second to load."""

import json
from collections.abc import Iterator
from typing import Any


def message_text(message: dict[str, Any]) -> str:
    """The text of one message: its content, or the text parts of it."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def learned_text(message: dict[str, Any]) -> str:
    """The text of one message as the engine learns it: its content, then its calls of tools, each as JSON in a mark."""
    return "\n".join(part for part in (message_text(message), *_call_texts(message)) if part)


def _call_texts(message: dict[str, Any]) -> Iterator[str]:
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    for function in (*functions, message.get("function_call")):
        if isinstance(function, dict):
            name = json.dumps(function.get("name"), ensure_ascii=False)
            yield f'<tool_call>\n{{"name": {name}, "arguments": {function.get("arguments")}}}\n</tool_call>'
