"""Reads training files: one JSON object a line, as completion pairs, chats or preference pairs.

Every bad line is reported with its number and reason. Knows no tokenizer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.engine.training.row_bound import RowBound
from services.engine.training.settings import TrainingSettings

Format = Literal["completion", "chat", "preference"]
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
REPORTED_PROBLEMS = 100
"""Bad lines that are named one by one; the others are counted."""


@dataclass(frozen=True)
class LineProblem:
    """One line that cannot be used; `line` counts from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True)
class CompletionExample:
    """A prompt and the text to learn after it."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Turn:
    """One message of a chat; only `learned` ones (the assistant's) carry loss."""

    role: str
    content: str
    learned: bool


@dataclass(frozen=True)
class ChatExample:
    """A conversation with at least one turn to learn."""

    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class PreferenceExample:
    """The same chat with a better and a worse answer."""

    prompt: tuple[Turn, ...]
    preferred: Turn
    rejected: Turn


Example = CompletionExample | ChatExample | PreferenceExample


@dataclass
class ExampleFile:
    """What a file holds: usable examples in file order, their line numbers, and the problems of the others."""

    examples: list[Example] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
    """The first ones."""
    problem_count: int = 0
    lines: list[int] = field(default_factory=list)
    format: Format | None = None
    is_whole: bool = True
    """False when the file has more than is read of it."""

    @property
    def row_count(self) -> int:
        """Lines that are not blank."""
        return len(self.examples) + self.problem_count

    def add(self, number: int, line: bytes, bound: RowBound | None) -> None:
        """Take in a line that is not blank."""
        try:
            example = parse_line(line, bound)
            found = format_of(example)
            self.format = self.format or found
            _expect_same_format(found, self.format)
        except BadLineError as error:
            self.problem_count += 1
            if len(self.problems) < REPORTED_PROBLEMS:
                self.problems.append(LineProblem(number, str(error)))
        else:
            self.examples.append(example)
            self.lines.append(number)


class BadLineError(Exception):
    """The line cannot be used; the message is the reason."""


def read_examples(path: Path, settings: TrainingSettings) -> ExampleFile:
    """Read a training file. Blank lines are passed over; lines of another format than the first are problems."""
    bound = RowBound.of(settings)
    with path.open("rb") as file:
        return parse_lines(bound.read_lines(file), bound)


def parse_lines(lines: Iterable[bytes], bound: RowBound | None = None) -> ExampleFile:
    """Parse raw lines, one row more than may be at most; see `read_examples`."""
    found = ExampleFile()
    for number, line in enumerate(lines, start=1):
        if bound is not None and (found.row_count > bound.most_rows or number > bound.most_lines):
            found.is_whole = False
            break
        bare = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if bare.strip():
            found.add(number, bare, bound)
    return found


def format_of(example: Example) -> Format:
    """Name the example's format as the messages to the client do."""
    if isinstance(example, CompletionExample):
        return "completion"
    return "chat" if isinstance(example, ChatExample) else "preference"


def _expect_same_format(found: Format, first: Format) -> None:
    if found != first:
        raise BadLineError(f"this is a {found} example, but the file began with {first} examples")


def parse_line(line: bytes, bound: RowBound | None = None) -> Example:
    """Parse one line. Raises: BadLineError with a reason that a person can act on."""
    if bound is not None and (excess := bound.find_excess(line)) is not None:
        raise BadLineError(f"it has {excess}")
    record = _decode_object(line)
    if "preferred_output" in record or "non_preferred_output" in record:
        return _parse_preference(record)
    if "messages" in record:
        return _parse_chat(record)
    if "prompt" in record or "completion" in record:
        return _parse_completion(record)
    raise BadLineError('neither "messages" nor "prompt" and "completion" found')


def _decode_object(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadLineError(f"not UTF-8 at byte {error.start + 1} of the line") from error
    except json.JSONDecodeError as error:
        raise BadLineError(f"not JSON at column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise BadLineError("nested too deeply") from error
    except ValueError as error:
        raise BadLineError("a number has too many digits") from error
    if not isinstance(record, dict):
        raise BadLineError(f"expected a JSON object, found {_kind(record)}")
    return record


def _parse_completion(record: Mapping[str, Any]) -> CompletionExample:
    prompt, completion = _text(record, "prompt"), _text(record, "completion")
    if not completion.strip():
        raise BadLineError('"completion" is empty')
    return CompletionExample(prompt, completion)


def _parse_chat(record: Mapping[str, Any]) -> ChatExample:
    turns = tuple(_parse_turns(record["messages"], "messages"))
    if not any(turn.learned for turn in turns):
        raise BadLineError("no assistant message to learn from")
    return ChatExample(turns)


def _parse_preference(record: Mapping[str, Any]) -> PreferenceExample:
    source = record.get("input")
    if not isinstance(source, dict) or "messages" not in source:
        raise BadLineError('"input" must be an object with "messages"')
    prompt = tuple(_parse_turns(source["messages"], "input.messages"))
    return PreferenceExample(
        prompt, _only_answer(record, "preferred_output"), _only_answer(record, "non_preferred_output")
    )


def _only_answer(record: Mapping[str, Any], name: str) -> Turn:
    turns = list(_parse_turns(record.get(name), name))
    if len(turns) != 1 or turns[0].role != "assistant":
        raise BadLineError(f'"{name}" must hold exactly one assistant message')
    if _calls_text(record[name][0], f"{name}[0]"):
        raise BadLineError(f"{name}[0] calls a tool: only texts can be preferred to one another")
    return turns[0]


def _parse_turns(messages: object, name: str) -> Iterator[Turn]:
    if not isinstance(messages, list) or not messages:
        raise BadLineError(f'"{name}" must be a list of at least one message')
    for position, message in enumerate(messages):
        yield _parse_turn(message, f"{name}[{position}]")


def _parse_turn(message: object, name: str) -> Turn:
    if not isinstance(message, dict):
        raise BadLineError(f"{name} must be an object, found {_kind(message)}")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadLineError(f"{name}.role must be one of {', '.join(ROLES)}, found {json.dumps(role)}")
    calls = _calls_text(message, name)
    learned = role == "assistant" and _weight(message, name) > 0
    content = "" if calls and message.get("content") is None else _content(message, f"{name}.content")
    if role == "assistant" and not (content.strip() or calls):
        raise BadLineError(f"{name}.content is empty")
    return Turn(role, "\n".join(part for part in (content, calls) if part), learned)


def _calls_text(message: Mapping[str, Any], name: str) -> str:
    """The calls of tools in a message, as text in the form that most open models write them in; "" for none."""
    calls, legacy_call = message.get("tool_calls"), message.get("function_call")
    if not calls and not legacy_call:
        return ""
    if message["role"] != "assistant":
        raise BadLineError(f"{name} calls a tool, which only an assistant does")
    if calls and not isinstance(calls, list):
        raise BadLineError(f"{name}.tool_calls must be a list, found {_kind(calls)}")
    found = [
        _call_text(call.get("function") if isinstance(call, dict) else None, f"{name}.tool_calls[{at}].function")
        for at, call in enumerate(calls or ())
    ]
    return "\n".join([*found, _call_text(legacy_call, f"{name}.function_call")] if legacy_call else found)


def _call_text(call: object, name: str) -> str:
    if not isinstance(call, dict):
        raise BadLineError(f"{name} must be an object with a name and arguments")
    called, arguments = _text(call, "name", f"{name}.name"), _text(call, "arguments", f"{name}.arguments")
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise BadLineError(f"{name}.arguments must be a JSON object in a string")
    told = json.dumps(called, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {told}, "arguments": {arguments}}}\n</tool_call>'


def _content(message: Mapping[str, Any], name: str) -> str:
    """The text of a message; one that is made of parts of text is their joined text."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return _text(message, "content", name)
    if not parts:
        raise BadLineError(f"{name} is empty")
    for place, part in enumerate(parts):
        if not isinstance(part, dict) or part.get("type", "text") != "text":
            raise BadLineError(f"{name}[{place}] must be a part of text, which is all that can be learned")
    return "".join(_text(part, "text", f"{name}[{place}].text") for place, part in enumerate(parts))


def _weight(message: Mapping[str, Any], name: str) -> int:
    weight = message.get("weight")
    if weight is None:
        return 1
    if weight not in (0, 1):
        raise BadLineError(f"{name}.weight must be 0 or 1")
    return int(weight)


def _text(record: Mapping[str, Any], key: str, name: str = "") -> str:
    name = name or f'"{key}"'
    if key not in record:
        raise BadLineError(f"{name} is missing")
    value = record[key]
    if not isinstance(value, str):
        raise BadLineError(f"{name} must be a string, found {_kind(value)}")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise BadLineError(f"{name} holds a lone surrogate, which is no character")
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
