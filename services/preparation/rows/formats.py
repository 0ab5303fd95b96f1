"""Conversion between prompt-completion rows and chat lines."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import orjson

from services.preparation.rows.row_batches import RowBatch
from shared.texts.chat_message import learned_text

TrainingFormat = Literal["completion", "chat", "preference"]


def to_chat(batches: Iterable[RowBatch], system: str | None = None) -> Iterator[RowBatch]:
    """Give every row a chat line: the prompt as the user's turn (none where it is empty), the completion as answer."""
    for batch in batches:
        pairs = zip(batch.prompts, batch.completions, strict=True)
        yield replace(batch, records=[_chat_line(prompt, completion, system) for prompt, completion in pairs])


def _chat_line(prompt: str, completion: str, system: str | None) -> str:
    messages = [{"role": "system", "content": system}] if system else []
    if prompt:
        messages.append({"role": "user", "content": prompt})
    messages.append({"role": "assistant", "content": completion})
    return orjson.dumps({"messages": messages}).decode()


def to_completion(batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
    """Turn chat lines into pairs, one per assistant turn that is trained on.

    The prompt of a single exchange is the user's text alone; longer talks become labelled turns. Row ids are kept, so
    a line with several answers gives several rows of one id.
    """
    for batch in batches:
        rows = [
            (row_id, line, prompt, completion)
            for row_id, line, record in zip(batch.ids, batch.lines, batch.records, strict=True)
            for prompt, completion in pairs_of_line(orjson.loads(record))
        ]
        if rows:
            ids, lines, prompts, completions = map(list, zip(*rows, strict=True))
            yield RowBatch(ids, lines, prompts, completions, [""] * len(rows))


def pairs_of_line(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(prompt, completion) of every assistant turn whose weight is not 0."""
    messages = value.get("messages")
    turns = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    for position, turn in enumerate(turns):
        if turn.get("role") == "assistant" and turn.get("weight", 1) != 0 and learned_text(turn):
            yield _prompt_of(turns[:position]), learned_text(turn)


def _prompt_of(turns: list[dict[str, Any]]) -> str:
    if len(turns) == 1:
        return learned_text(turns[0])
    return "\n\n".join(f"{str(turn.get('role', '')).capitalize()}: {learned_text(turn)}" for turn in turns)
