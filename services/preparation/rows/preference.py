"""Preference pairs (DPO): one prompt, the answer that people liked and the one they did not. Read, carried, written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from services.preparation.rows.row_batches import REJECTED_COLUMN, RowBatch
from shared.texts.chat_message import message_text
from shared.texts.training_rows import find_refusal

INPUT: Final = "input"
PREFERRED: Final = "preferred_output"
NON_PREFERRED: Final = "non_preferred_output"
INPUT_COLUMN: Final = "pair_input"
"""The input as JSON where it is more than one user's turn, else ""."""
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class BadPairError(Exception):
    """An object that is no preference pair; the message is the reason."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """The texts of a pair, and its input as JSON where that is more than `prompt` in a user's turn."""

    prompt: str
    preferred: str
    rejected: str
    input: str


def read_pair(value: dict[str, Any]) -> PreferencePair:
    """Return what an object says. Raises: BadPairError with what is wrong in training's words, when it is no preference
    pair. Empty texts are read: they are a finding."""
    try:
        return _read_parts(value)
    except BadPairError as error:
        raise BadPairError(find_refusal(value) or str(error)) from error


def _read_parts(value: dict[str, Any]) -> PreferencePair:
    source = value.get(INPUT)
    turns = source.get("messages") if isinstance(source, dict) else None
    if not isinstance(turns, list) or not turns:
        raise BadPairError('"input" must be an object with "messages"')
    for at, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str) or turn["role"] not in ROLES:
            raise BadPairError('every one of "input.messages" must be an object with a known role')
        refuse_other_parts(turn, f"input.messages[{at}]")
    prompt = "\n".join(message_text(turn) for turn in turns)
    is_simple = source == ask(prompt)
    told = "" if is_simple else orjson.dumps(source).decode()
    return PreferencePair(prompt, read_answer(value, PREFERRED), read_answer(value, NON_PREFERRED), told)


def read_answer(value: dict[str, Any], name: str) -> str:
    """Return the text of one of the answers. Raises: BadPairError unless it is exactly one assistant message with a
    text."""
    answers = value.get(name)
    answer = answers[0] if isinstance(answers, list) and len(answers) == 1 else None
    if not isinstance(answer, dict) or answer.get("role") != "assistant":
        raise BadPairError(f'"{name}" must hold exactly one assistant message')
    if answer.get("tool_calls") or not isinstance(answer.get("content"), (str, list)):
        raise BadPairError(f'"{name}" must hold a text')
    refuse_other_parts(answer, f"{name}[0]")
    return message_text(answer)


def refuse_other_parts(message: dict[str, Any], name: str) -> None:
    """Pass for a message of text alone. Raises: BadPairError for pictures and the like, in the words of the job's
    check."""
    parts = message.get("content")
    for at, part in enumerate(parts if isinstance(parts, list) else []):
        if not isinstance(part, dict) or part.get("type", "text") != "text":
            raise BadPairError(f"{name}.content[{at}] must be a part of text, which is all that can be learned")


def ask(prompt: str, system: str | None = None) -> dict[str, Any]:
    """Return the input that asks for a prompt."""
    before = [{"role": "system", "content": system}] if system else []
    return {"messages": [*before, {"role": "user", "content": prompt}]}


def make_pair(source: dict[str, Any], preferred: str, rejected: str) -> dict[str, Any]:
    """Return a pair as it is trained on."""
    return {
        INPUT: source,
        PREFERRED: [{"role": "assistant", "content": preferred}],
        NON_PREFERRED: [{"role": "assistant", "content": rejected}],
    }


def split_pairs(batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
    """Turn lines as they were read into texts: prompt, completion (the preferred answer) and the rejected one."""
    for batch in batches:
        pairs = [read_pair(orjson.loads(record)) for record in batch.records]
        extras = {
            **batch.extras,
            INPUT_COLUMN: [pair.input for pair in pairs],
            REJECTED_COLUMN: [pair.rejected for pair in pairs],
        }
        yield replace(batch, records=[""] * len(batch), extras=extras)


def to_preference(batches: Iterable[RowBatch], system: str | None = None) -> Iterator[RowBatch]:
    """Give every pair its line. `system` goes before prompts that bring no input of their own."""
    for batch in batches:
        inputs, rejected = batch.extras[INPUT_COLUMN], batch.extras[REJECTED_COLUMN]
        texts = zip(batch.prompts, batch.completions, rejected, inputs, strict=True)
        records = [
            orjson.dumps(make_pair(orjson.loads(told) if told else ask(prompt, system), preferred, other)).decode()
            for prompt, preferred, other, told in texts
        ]
        yield replace(batch, records=records)


def chat_of_answer(source: dict[str, Any], text: str) -> str:
    """Return the chat line that asks `source` and answers `text`: what a model sees of one side of a pair."""
    return orjson.dumps({"messages": [*source["messages"], {"role": "assistant", "content": text}]}).decode()
