"""A choice's message or delta: its text, and what stands beside it, in the shapes that OpenAI gives them."""

from typing import Any, Final

from shared.contracts.storable import encode_storable_json
from shared.outside.providers.failures import FailureClass, LlmError

TEXT_FIELDS: Final = frozenset({"role", "content"})
THINKING_PARTS: Final = frozenset({"thinking", "reasoning", "reasoning_text", "redacted_thinking", "summary_text"})
"""Types of content parts that a reader of the answer is not meant to take for it (Mistral, Anthropic, vLLM)."""
REASONING: Final = "reasoning_content"
"""Where most providers put what comes before the answer, and so do we with such parts."""
DEEPEST_PART: Final = 4
"""Parts inside each other; Mistral puts one into another."""


def split_message(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a message's text and the fields beside it that say anything. Raises: LlmError (malformed)."""
    content = message.get("content")
    if type(content) is str:
        if message.keys() <= TEXT_FIELDS:  # nearly every chunk of nearly every stream
            return content, {}
        text, thinking = content, ""
    else:
        text, thinking = join_parts(content)
    beside = {name: value for name, value in message.items() if name not in TEXT_FIELDS and not is_nothing(value)}
    if thinking:
        told = beside.get(REASONING)
        beside[REASONING] = thinking + (told if isinstance(told, str) else "")
    if "tool_calls" in beside:
        calls = clean_calls(beside.pop("tool_calls"))
        beside |= {"tool_calls": calls} if calls else {}
    if isinstance(beside.get("function_call"), dict):
        beside["function_call"] = clean_function(beside["function_call"])
    return text, beside


def is_nothing(value: Any) -> bool:
    """Say whether a field is there only in name: null, or empty."""
    return value is None or (not value and isinstance(value, str | list | dict))


def join_parts(content: Any) -> tuple[str, str]:
    """Return the visible text of a content that is no string, and the thinking beside it.
    Raises: LlmError (malformed) when it is nothing of the kind."""
    if content is None:
        return "", ""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        raise LlmError(FailureClass.MALFORMED, "the provider's text is not a string")
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        is_thought = isinstance(part, dict) and part.get("type") in THINKING_PARTS
        (thoughts if is_thought else texts).append(read_part(part, DEEPEST_PART))
    return "".join(texts), "".join(thoughts)


def read_part(part: Any, levels: int) -> str:
    """Return the text of one part, wherever it stands in it."""
    if isinstance(part, str):
        return part
    if levels == 0:
        return ""
    if isinstance(part, list):
        return "".join(read_part(item, levels - 1) for item in part)
    if isinstance(part, dict):
        names = (
            name for name in ("text", "thinking", "reasoning", "summary", "value") if not is_nothing(part.get(name))
        )
        return read_part(part.get(next(names, "")), levels - 1)
    return ""


def clean_calls(value: Any) -> list[dict[str, Any]]:
    """Return tool calls as a list of objects whose arguments are texts."""
    calls = [call for call in (value if isinstance(value, list) else [value]) if isinstance(call, dict)]
    return [
        {**call, "function": clean_function(call["function"])} if isinstance(call.get("function"), dict) else call
        for call in calls
    ]


def clean_function(function: dict[str, Any]) -> dict[str, Any]:
    """Return a call's function with its arguments as a text: some providers send the object itself."""
    arguments = function.get("arguments")
    if arguments is None or isinstance(arguments, str):
        return function
    return {**function, "arguments": encode_storable_json(arguments).decode()}
