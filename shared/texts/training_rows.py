"""The rule of a training row, for whoever reads one: a job's files, held-out rows, comparisons, counts of tokens. A
line becomes a row, or a reason why it is none that a person can act on."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import orjson

from shared.texts.reading_turns import in_turns
from shared.texts.row_bound import RowBound

RowFormat = Literal["completion", "chat", "preference"]

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class BadLineError(Exception):
    """The line cannot be used; the message is the reason."""


def read_rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that was checked."""
    for _, line in number_lines(lines):
        yield parse_line(line)


def number_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank with their numbers, from 1, in turns with other threads that read."""
    for number, line in enumerate(in_turns(lines), start=1):
        bare = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if bare.strip():
            yield number, bare


def parse_line(line: bytes, bound: RowBound | None = None) -> dict[str, Any]:
    """Return a line's object; without a bound that of a file which was checked. Raises: BadLineError when it is not
    JSON, no object, or more than the bound allows."""
    if bound is not None and (excess := bound.find_excess(line)) is not None:
        raise BadLineError(f"it has {excess}")
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = parse_stubborn_line(line)
    if not isinstance(row, dict):
        raise BadLineError(f"expected a JSON object, found {name_kind(row)}")
    return row


def parse_stubborn_line(line: bytes) -> Any:
    """Parse what the fast parser refuses, as the engine does. Raises: BadLineError with its words."""
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadLineError(f"not UTF-8 at byte {error.start + 1} of the line") from error
    except json.JSONDecodeError as error:
        raise BadLineError(f"not JSON at column {error.colno}: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise BadLineError(name_burden(error)) from error


def name_burden(error: RecursionError | ValueError) -> str:
    """Return why a line that is JSON cannot be parsed all the same."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def encode_row(value: object) -> bytes:
    """Return a row, or a part of one, as JSON with its keys in order, also where only the patient parser took it."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a character in a field that nobody reads
        return json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")


def check_row(row: dict[str, Any]) -> RowFormat:
    """Return a row's format. Raises: BadLineError with a reason that a person can act on.

    The engine has the same rule in its own words' code; `tests/contract/training_rows.jsonl` holds both to it.
    """
    if "preferred_output" in row or "non_preferred_output" in row:
        check_preference(row)
        return "preference"
    if "messages" in row:
        found = check_messages(row["messages"], "messages")
        if not any(is_learned for _, is_learned in found):
            raise BadLineError("no assistant message to learn from")
        return "chat"
    if "prompt" in row or "completion" in row:
        check_pair(row)
        return "completion"
    raise BadLineError('neither "messages" nor "prompt" and "completion" found')


def check_pair(row: dict[str, Any]) -> None:
    """Pass for a prompt and a completion. Raises: BadLineError when one is no string, or the completion is blank."""
    check_text(row, "prompt")
    if not check_text(row, "completion").strip():
        raise BadLineError('"completion" is empty')


def find_refusal(row: dict[str, Any]) -> str | None:
    """Return why a row is none, in the words that every door has for it; None for one that can be trained on."""
    try:
        check_row(row)
    except BadLineError as error:
        return str(error)
    return None


def check_messages(messages: object, where: str) -> list[tuple[str, bool]]:
    """Return role and whether it is learned of each of a list of messages; `where` names it in errors. Raises:
    BadLineError when it is empty or no list, or one of its messages cannot be used."""
    if not isinstance(messages, list) or not messages:
        raise BadLineError(f'"{where}" must be a list of at least one message')
    return [check_message(message, f"{where}[{at}]") for at, message in enumerate(messages)]


def check_message(message: object, name: str) -> tuple[str, bool]:
    """Return a message's role and whether it is learned. Raises: BadLineError for an unknown role, a content that is no
    text, a call that is none, or a weight other than 0 and 1. A message that calls a tool needs no content."""
    if not isinstance(message, dict):
        raise BadLineError(f"{name} must be an object, found {name_kind(message)}")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadLineError(f"{name}.role must be one of {', '.join(ROLES)}, found {json.dumps(role)}")
    calls_tool = check_calls(message, name)
    is_learned = role == "assistant" and read_weight(message, name) == 1
    if calls_tool and message.get("content") is None:
        return role, is_learned
    content = read_content(message, f"{name}.content")
    if role == "assistant" and not (content.strip() or calls_tool):
        raise BadLineError(f"{name}.content is empty")
    return role, is_learned


def check_calls(message: dict[str, Any], name: str) -> bool:
    """Say whether a message calls tools. Raises: BadLineError for a call that lacks name or arguments, or is not the
    assistant's."""
    calls, legacy_call = message.get("tool_calls"), message.get("function_call")
    if not calls and not legacy_call:
        return False
    if message["role"] != "assistant":
        raise BadLineError(f"{name} calls a tool, which only an assistant does")
    if calls and not isinstance(calls, list):
        raise BadLineError(f"{name}.tool_calls must be a list, found {name_kind(calls)}")
    for at, call in enumerate(calls or ()):
        check_call(call.get("function") if isinstance(call, dict) else None, f"{name}.tool_calls[{at}].function")
    if legacy_call:
        check_call(legacy_call, f"{name}.function_call")
    return True


def check_call(call: object, name: str) -> None:
    """Pass for a call of a function. Raises: BadLineError unless it has a name, and arguments as JSON in a string."""
    if not isinstance(call, dict):
        raise BadLineError(f"{name} must be an object with a name and arguments")
    check_text(call, "name", f"{name}.name")
    arguments = check_text(call, "arguments", f"{name}.arguments")
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise BadLineError(f"{name}.arguments must be a JSON object in a string")


def read_content(message: dict[str, Any], name: str) -> str:
    """Return a message's text, that of its parts joined. Raises: BadLineError for what is no text."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return check_text(message, "content", name)
    if not parts:
        raise BadLineError(f"{name} is empty")
    for at, part in enumerate(parts):
        if not isinstance(part, dict) or part.get("type", "text") != "text":
            raise BadLineError(f"{name}[{at}] must be a part of text, which is all that can be learned")
    return "".join(check_text(part, "text", f"{name}[{at}].text") for at, part in enumerate(parts))


def read_weight(message: dict[str, Any], name: str) -> int:
    """Return a message's weight. Raises: BadLineError when it is neither 0 nor 1."""
    weight = message.get("weight")
    if weight is not None and weight not in (0, 1):
        raise BadLineError(f"{name}.weight must be 0 or 1")
    return 1 if weight is None else int(weight)


def check_text(row: dict[str, Any], key: str, name: str = "") -> str:
    """Return the text of a key. Raises: BadLineError when it is missing, no string, or no text."""
    name = name or f'"{key}"'
    if key not in row:
        raise BadLineError(f"{name} is missing")
    value = row[key]
    if not isinstance(value, str):
        raise BadLineError(f"{name} must be a string, found {name_kind(value)}")
    if LONE_SURROGATE.search(value):
        raise BadLineError(f"{name} holds a lone surrogate, which is no character")
    return value


def name_kind(value: object) -> str:
    """Return what JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def check_preference(row: dict[str, Any]) -> None:
    """Pass for a chat with two answers. Raises: BadLineError when one of the three is no usable list of messages."""
    asked = row.get("input")
    if not isinstance(asked, dict) or "messages" not in asked:
        raise BadLineError('"input" must be an object with "messages"')
    check_messages(asked["messages"], "input.messages")
    for name in ("preferred_output", "non_preferred_output"):
        found = check_messages(row.get(name), name)
        if [role for role, _ in found] != ["assistant"]:
            raise BadLineError(f'"{name}" must hold exactly one assistant message')
        if check_calls(row[name][0], f"{name}[0]"):
            raise BadLineError(f"{name}[0] calls a tool: only texts can be preferred to one another")
