"""The rows of training files, checked as providers check them: line by line, each problem with number and reason.

Blocking; streams, so that memory does not grow with the file. Knows no database and no provider."""

import hashlib
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

RowFormat = Literal["completion", "chat", "preference"]

REPORTED_PROBLEMS: Final = 100
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
KEY_BYTES: Final = 12


class BadLineError(Exception):
    """The line cannot be used; the message is the reason."""


@dataclass(slots=True)
class RowsReport:
    """What a file holds. `problems` names the first ones, `problem_count` counts all."""

    rows: int = 0
    format: RowFormat | None = None
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    overlapping: list[int] = field(default_factory=list)
    """Lines whose prompt is in the other file, the first ones."""
    overlap_count: int = 0


def check_rows(lines: Iterable[bytes], other_keys: Set[bytes] = frozenset()) -> RowsReport:
    """Check every line, and count those whose prompt is among `other_keys`."""
    report = RowsReport()
    for number, line in number_lines(lines):
        try:
            row = parse_line(line)
            found = check_row(row)
            report.format = report.format or found
            if found != report.format:
                raise BadLineError(f"this is a {found} example, but the file began with {report.format} examples")
        except BadLineError as error:
            report.problem_count += 1
            if len(report.problems) < REPORTED_PROBLEMS:
                report.problems.append(f"line {number}: {error}")
            continue
        report.rows += 1
        if other_keys and row_key(row) in other_keys:
            report.overlap_count += 1
            if len(report.overlapping) < REPORTED_PROBLEMS:
                report.overlapping.append(number)
    return report


def collect_keys(lines: Iterable[bytes]) -> set[bytes]:
    """Return what the prompts of the usable rows are told apart by."""
    keys = set()
    for _, line in number_lines(lines):
        try:
            row = parse_line(line)
            check_row(row)
        except BadLineError:
            continue
        keys.add(row_key(row))
    return keys


def read_rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that was checked."""
    for _, line in number_lines(lines):
        yield parse_line(line)


def number_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank with their numbers, from 1."""
    for number, line in enumerate(lines, start=1):
        bare = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if bare.strip():
            yield number, bare


def parse_line(line: bytes) -> dict[str, Any]:
    """Return a line's object. Raises: BadLineError when it is not JSON, or no object."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLineError(f"not JSON at column {error.colno}: {error.msg}") from error
    if not isinstance(row, dict):
        raise BadLineError("expected a JSON object")
    return row


def check_row(row: dict[str, Any]) -> RowFormat:
    """Return a row's format. Raises: BadLineError with a reason that a person can act on."""
    if "preferred_output" in row or "non_preferred_output" in row:
        check_preference(row)
        return "preference"
    if "messages" in row:
        check_messages(row["messages"], '"messages"')
        return "chat"
    if "prompt" in row or "completion" in row:
        check_pair(row)
        return "completion"
    raise BadLineError('neither "messages" nor "prompt" and "completion" found')


def check_pair(row: dict[str, Any]) -> None:
    """Pass for a prompt and a completion. Raises: BadLineError when one is no string, or the completion is blank."""
    for name in ("prompt", "completion"):
        if name not in row:
            raise BadLineError(f'"{name}" is missing')
        if not isinstance(row[name], str):
            raise BadLineError(f'"{name}" must be a string')
    if not row["completion"].strip():
        raise BadLineError('"completion" is empty')


def check_messages(messages: object, where: str, *, needs_answer: bool = True) -> None:
    """Pass for a list of messages; `where` names it in errors. Raises: BadLineError when it is empty or no list, when a
    message has an unknown role or no content, or when an answer is needed and there is none."""
    if not isinstance(messages, list) or not messages:
        raise BadLineError(f"{where} must be a list with at least one message")
    for index, message in enumerate(messages, start=1):
        if not isinstance(message, dict):
            raise BadLineError(f"message {index} must be an object")
        if message.get("role") not in ROLES:
            raise BadLineError(f"message {index} has the unknown role {message.get('role')!r}")
        calls_tools = message.get("role") == "assistant" and (message.get("tool_calls") or message.get("function_call"))
        if not isinstance(message.get("content"), (str, list)) and not calls_tools:
            raise BadLineError(f"message {index} has no content")
    if needs_answer and not any(message["role"] == "assistant" for message in messages):
        raise BadLineError("no assistant message to learn")


def check_preference(row: dict[str, Any]) -> None:
    """Pass for a chat with two answers. Raises: BadLineError when one of the three is no usable list of messages."""
    asked = row.get("input")
    check_messages(asked.get("messages") if isinstance(asked, dict) else None, '"input.messages"', needs_answer=False)
    for name in ("preferred_output", "non_preferred_output"):
        check_messages(row.get(name), f'"{name}"')


def row_key(row: dict[str, Any]) -> bytes:
    """Return what rows of the same prompt share; rows without a prompt are told apart by their completion."""
    if "messages" in row and "preferred_output" not in row:
        asked: Any = row["messages"][: find_last_answer(row["messages"])]
    elif "input" in row:
        asked = row["input"]
    else:
        asked = row["prompt"].strip() or row["completion"]
    value = asked or row
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=KEY_BYTES).digest()


def find_last_answer(messages: list[dict[str, Any]]) -> int:
    """Return the place of the last assistant message."""
    return max(index for index, message in enumerate(messages) if message["role"] == "assistant")
