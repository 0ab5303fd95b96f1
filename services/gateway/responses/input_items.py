"""A response's input, a text or a list of items, as the messages of a chat. What a chat cannot carry is refused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.gateway.responses.item_ids import PREFIXES, input_id
from services.gateway.responses.unsupported import unsupported_value
from shared.errors import InvalidRequestError
from shared.http.answers import Json

ROLES: Final = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
"""A chat's role for each; most providers know no developers."""
TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text"})
INPUT_PARTS: Final = ("input_text", "input_image", "input_file", "input_audio")
ASSISTANT_PARTS: Final = ("output_text", "refusal")
REFERENCE: Final = "item_reference"


def list_items(given: str | Sequence[Mapping[str, Any]] | None) -> list[Json]:
    """Return the input as items, each with its type. Raises: InvalidRequestError for one of an unknown type."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    items = []
    for number, item in enumerate(given or ()):
        kind = item.get("type") or ("message" if "role" in item else None)
        if kind not in PREFIXES and kind != REFERENCE:
            raise unsupported_value(f"input.{number}.type", kind, [*PREFIXES, REFERENCE])
        items.append({**item, "type": kind})
    return items


def find_references(items: Iterable[Json]) -> dict[int, str]:
    """Return the ids that items refer to, by the items' numbers. Raises: InvalidRequestError for one without id."""
    numbered = [(number, item) for number, item in enumerate(items) if item["type"] == REFERENCE]
    return {number: _need_text(item, "id", f"input.{number}") for number, item in numbered}


def keep_items(items: Iterable[Json], unique: str) -> list[Json]:
    """Return items as a response's input is listed: with an id, a status, and parts in place of a plain text."""
    kept = []
    for number, item in enumerate(items):
        whole = {**item, "id": item.get("id") or input_id(item["type"], unique, number)}
        if item["type"] == "message":
            whole["content"] = list_parts(item)
        kept.append({**whole, "status": item.get("status") or "completed"})
    return kept


def list_parts(message: Json) -> list[Json]:
    """Return a message's content as parts."""
    content = message.get("content")
    if not isinstance(content, str):
        return list(content or ())
    if message.get("role") == "assistant":
        return [{"type": "output_text", "text": content, "annotations": []}]
    return [{"type": "input_text", "text": content}]


def write_messages(items: Sequence[Json]) -> list[Json]:
    """Return the chat that the items are. Calls of one turn are one message, with their reasoning: providers that
    reason between calls want it back. Raises: InvalidRequestError for what a chat cannot carry."""
    messages: list[Json] = []
    thoughts = ""
    for number, item in enumerate(items):
        where = f"input.{number}"
        match item["type"]:
            case "message":
                messages.append(write_message(item, where))
                continue
            case "reasoning":
                thoughts = read_thoughts(item)
                continue
            case "function_call":
                add_call(messages, item, thoughts, where)
            case "function_call_output":
                messages.append(write_result(item, where))
        thoughts = ""
    return messages


def write_message(item: Json, where: str) -> Json:
    """Return one turn."""
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise unsupported_value(f"{where}.role", role, list(ROLES))
    content = item.get("content")
    if content is None:
        raise InvalidRequestError(f"{where}.content: give the message a content.", param=f"{where}.content")
    if isinstance(content, str):
        return {"role": ROLES[role], "content": content}
    parts = _need_objects(content, f"{where}.content")
    if role == "assistant":
        return write_said(parts, where)
    written = [write_part(part, f"{where}.content.{number}") for number, part in enumerate(parts)]
    return {"role": ROLES[role], "content": join_texts(written)}


def write_said(parts: Sequence[Json], where: str) -> Json:
    """Return what the model said, its refusal apart."""
    texts: dict[str, list[str]] = {"content": [], "refusal": []}
    for number, part in enumerate(parts):
        kind, at = part.get("type"), f"{where}.content.{number}"
        if kind == "refusal":
            texts["refusal"].append(_need_text(part, "refusal", at))
        elif kind in TEXT_PARTS:
            texts["content"].append(_need_text(part, "text", at))
        else:
            raise unsupported_value(f"{at}.type", kind, list(ASSISTANT_PARTS))
    refusal = {"refusal": "".join(texts["refusal"])} if texts["refusal"] else {}
    content = "".join(texts["content"]) if texts["content"] or not refusal else None
    return {"role": "assistant", "content": content, **refusal}


def write_part(part: Json, where: str) -> Json:
    """Return a part of what a client says, in a chat's words."""
    kind = part.get("type")
    if kind in TEXT_PARTS:
        return {"type": "text", "text": _need_text(part, "text", where)}
    if kind == "input_image":
        image = {"url": _need_inline(part, "image_url", where)}
        detail = part.get("detail")
        return {"type": "image_url", "image_url": {**image, "detail": detail} if detail else image}
    if kind == "input_file":
        file = {"file_data": _need_inline(part, "file_data", where)}
        name = part.get("filename")
        return {"type": "file", "file": {**file, "filename": name} if name else file}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    raise unsupported_value(f"{where}.type", kind, list(INPUT_PARTS))


def join_texts(parts: list[Json]) -> str | list[Json]:
    """Return a single text as such: not every provider knows parts."""
    return str(parts[0]["text"]) if len(parts) == 1 and parts[0]["type"] == "text" else parts


def add_call(messages: list[Json], item: Json, thoughts: str, where: str) -> None:
    """Put a call into the turn that made it."""
    function = {"name": _need_text(item, "name", where), "arguments": _need_text(item, "arguments", where)}
    call = {"id": _need_text(item, "call_id", where), "type": "function", "function": function}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    turn = messages[-1]
    turn.setdefault("tool_calls", []).append(call)
    if thoughts:
        turn["reasoning_content"] = thoughts


def write_result(item: Json, where: str) -> Json:
    """Return what a tool said."""
    output = item.get("output")
    if not isinstance(output, str):
        parts = _need_objects(output, f"{where}.output")
        output = join_texts([write_part(part, f"{where}.output.{number}") for number, part in enumerate(parts)])
    return {"role": "tool", "tool_call_id": _need_text(item, "call_id", where), "content": output}


def read_thoughts(item: Json) -> str:
    """Return the text of a reasoning item, as a provider gave it."""
    content = item.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _need_text(value: Mapping[str, Any], name: str, where: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise InvalidRequestError(f"{where}.{name}: give a string.", param=f"{where}.{name}")
    return found


def _need_inline(part: Mapping[str, Any], name: str, where: str) -> str:
    """Return what a part holds by itself: files are not looked up for a model."""
    for other in ("file_id", "file_url"):
        if part.get(other) is not None:
            message = f"{where}.{other}: not supported, send the content itself as {name}."
            raise InvalidRequestError(message, param=f"{where}.{other}", code="unsupported_parameter")
    return _need_text(part, name, where)


def _need_objects(value: object, where: str) -> list[Json]:
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise InvalidRequestError(f"{where}: give a string or a list of parts.", param=where)
    return value
