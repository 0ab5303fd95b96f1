"""The whole of what stands beside a text, put together from its deltas: texts and lists joined, tool calls by index."""

from collections.abc import Iterable, Mapping
from typing import Any


def merge_deltas(deltas: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a whole message from raw choice deltas."""
    whole: dict[str, Any] = {}
    for delta in deltas:
        for name, value in delta.items():
            if name == "tool_calls" and isinstance(value, list):
                whole[name] = _merge_calls(whole.get(name, []), value)
            else:
                whole[name] = _join(whole.get(name), value)
    for call in whole.get("tool_calls") or ():
        call.pop("index", None)
    return whole


def _merge_calls(calls: list[dict[str, Any]], pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    for piece in pieces:
        index = piece.get("index", len(calls))
        known = next((call for call in reversed(calls) if call["index"] == index), None)
        if known is None or is_another(known, piece):
            calls.append({**piece, "index": index})
            continue
        for name, value in piece.items():
            known[name] = _join_call_field(name, known.get(name), value)
    return calls


def is_another(known: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    """Say whether a piece under a known index begins a call of its own: one with another id."""
    return bool(known.get("id") and piece.get("id") and known["id"] != piece["id"])


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
