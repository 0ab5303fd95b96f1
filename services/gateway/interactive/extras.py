"""What a chat answer holds beside text (tool calls, log probabilities, refusal), put together from its deltas."""

from collections.abc import Iterable
from typing import Any


def merge_extras(extra: dict[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a whole message from a row's `extra` (`{"deltas": [...]}`): texts and lists are
    joined, tool calls by their index."""
    whole: dict[str, Any] = {}
    for delta in (extra or {}).get("deltas", ()):
        for name, value in delta.items():
            if name == "tool_calls":
                whole[name] = _merge_calls(whole.get(name, []), value)
            else:
                whole[name] = _join(whole.get(name), value)
    for call in whole.get("tool_calls", ()):
        call.pop("index", None)
    return whole


def _merge_calls(calls: list[dict[str, Any]], pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    for piece in pieces:
        index = piece.get("index", len(calls))
        known = next((call for call in calls if call["index"] == index), None)
        if known is None:
            calls.append({**piece, "index": index})
            continue
        for name, value in piece.items():
            known[name] = _join_call_field(name, known.get(name), value)
    return calls


def _join_call_field(name: str, known: Any, value: Any) -> Any:
    """Join the arguments, which come in pieces; other fields come whole, if again."""
    if name == "function" and isinstance(known, dict) and isinstance(value, dict):
        arguments = (known.get("arguments") or "") + (value.get("arguments") or "")
        return {**known, **{key: part for key, part in value.items() if part is not None}, "arguments": arguments}
    return value if value is not None else known


def _join(known: Any, value: Any) -> Any:
    if known is None or value is None:
        return value if known is None else known
    if isinstance(known, dict) and isinstance(value, dict):
        return {name: _join(known.get(name), value.get(name)) for name in {**known, **value}}
    if isinstance(known, str) and isinstance(value, str):
        return known + value
    if isinstance(known, list) and isinstance(value, list):
        return [*known, *value]
    return value
