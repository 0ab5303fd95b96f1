"""Whether tools, calls of them and their answers fit together."""

from collections.abc import Iterator
from typing import Any

from shared.texts.training_rows import BadLineError, check_calls


def tool_problems(line: dict[str, Any], messages: list[dict[str, Any]]) -> Iterator[str]:
    """`chat_tool_schema` once for each thing that does not fit."""
    names, is_sound = _declared_names(line.get("tools", []))
    if not is_sound:
        yield "chat_tool_schema"
    open_calls: set[str] = set()
    for message in messages:
        if message.get("tool_calls") or message.get("function_call"):
            found = _call_ids(message, names)
            if found is None:
                yield "chat_tool_schema"
            open_calls |= found or set()
        if message["role"] == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str) or answered not in open_calls:
                yield "chat_tool_schema"
            open_calls.discard(str(answered))


def _declared_names(tools: Any) -> tuple[set[str], bool]:
    if not isinstance(tools, list):
        return set(), False
    names: set[str] = set()
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return names, False
        parameters = function.get("parameters", {"type": "object"})
        if not isinstance(parameters, dict) or (parameters and parameters.get("type") != "object"):
            return names, False
        names.add(function["name"])
    return names, True


def _call_ids(message: dict[str, Any], names: set[str]) -> set[str] | None:
    """The ids of well-formed calls of declared tools, or None."""
    try:
        check_calls(message, "")
    except BadLineError:
        return None
    calls = message.get("tool_calls") or ()
    if any(not isinstance(call.get("id"), str) or call["function"]["name"] not in names for call in calls):
        return None
    return {call["id"] for call in calls}
