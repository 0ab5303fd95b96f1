"""Good answers in every dress: whatever stands beside a text, however it is framed and cut, it is read and paid once;
a part of one is never taken for the whole."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.workers.generation.run import find_fault
from shared.contracts.storable import is_storable_text
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.border.whole_answers import parse_answer
from shared.outside.providers.failures import LlmError

FEW_TRIES, MANY_TRIES = 300, 10_000
TEXTS = ("从前有一位英雄。", "🦸和🐉打了一架", "a", 'Zeile\n\\ "data: {x}"\r[DONE]', " mitten im Satz ", "x" * 3_000)
REASONS = ("stop", "STOP", "end_turn", "eos", "length", "MAX_TOKENS", {"type": "stop"}, "odd " * 20)
FRAMINGS = (
    ("data: ", "\n\n"),
    ("data:", "\n\n"),
    ("data: ", "\r\n\r\n"),
    ("data: ", "\r\r"),
    ("data: ", "\n"),
    ("", "\n"),
)
ODD: tuple[Any, ...] = (
    None, True, -1, 2**70, 1.5, float("nan"), -float("inf"), "", "\x00", "\ud83d", [], {}, [None], {"": {"\x00": [[]]}},
)  # fmt: skip


@dataclass
class Dress:
    """How one answer comes."""

    text: str
    raw: bytes = b""
    kept: dict[str, Any] = field(default_factory=dict)


class Tailor:
    """Makes good answers at random."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def odd_fields(self, *names: str) -> dict[str, Any]:
        """Return some fields with values that no reader expects."""
        chosen = [name for name in names if self.chance.random() < 0.3]
        return {name: self.bury(self.chance.choice(ODD)) for name in chosen}

    def bury(self, value: Any) -> Any:
        """Return a value, now and then deep inside lists."""
        for _ in range(self.chance.choice((0, 0, 0, 3, 150))):
            value = [value]
        return value

    def shuffle(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return an object with its fields in another order."""
        names = list(value)
        self.chance.shuffle(names)
        return {name: value[name] for name in names}

    def content(self, text: str) -> Any:
        """Return a text as a string or as parts."""
        draw = self.chance.random()
        if draw < 0.7:
            return text
        middle = len(text) // 2
        parts: list[Any] = [{"type": "text", "text": text[:middle]}, {"type": "text", "text": text[middle:]}]
        return [{"type": "thinking", "thinking": "想"}, *parts] if draw < 0.85 else parts

    def choice(self, holder: str, message: dict[str, Any], reason: Any) -> dict[str, Any]:
        """Return a body with one choice."""
        message = self.shuffle({**message, **self.odd_fields("annotations", "audio", "reasoning_content", "x")})
        choice = {"index": 0, holder: message, "finish_reason": reason, **self.odd_fields("logprobs", "stop_reason")}
        fields = self.odd_fields("id", "created", "model", "usage", "system_fingerprint", "service_tier")
        return self.shuffle({"choices": [self.shuffle(choice)], **fields})

    def write(self, body: Any, indent: int | None = None) -> str:
        """Return JSON as a careless server writes it: halves of characters, NaN, any depth."""
        return json.dumps(body, ensure_ascii=self.chance.random() < 0.5 or has_half(body), indent=indent)

    def whole(self) -> Dress:
        """Return one object."""
        text = self.chance.choice(TEXTS)
        reason = self.chance.choice((*REASONS, None))
        indent = self.chance.choice((None, None, 1))
        body = self.write(self.choice("message", {"role": "assistant", "content": self.content(text)}, reason), indent)
        around = self.chance.choice((("", ""), ("\ufeff", ""), ("\n\n", "\n"), ("", "\n\ndata: [DONE]\n\n")))
        return Dress(text, (around[0] + body + around[1]).encode())

    def stream(self) -> Dress:
        """Return chunks, with a reason or `[DONE]` or both at their end."""
        text = self.chance.choice(TEXTS)
        lead, gap = self.chance.choice(FRAMINGS)
        pieces = [*self.cut_units(text)] if self.chance.random() < 0.3 else [*self.cut(text)]
        chunks = [self.choice("delta", {"content": piece}, self.chance.choice((None, "", "null"))) for piece in pieces]
        reason = self.chance.choice((*REASONS, None))
        if reason is not None:
            chunks.append(self.choice("delta", {}, reason))
        chunks.insert(self.chance.randrange(len(chunks)), {"choices": [], **self.odd_fields("prompt_filter_results")})
        events = [lead + self.write(chunk) + gap for chunk in chunks]
        if lead and gap != "\n":
            events.insert(
                self.chance.randrange(len(events)), f": wait{gap}event: ping{gap[: len(gap) // 2]}data: {{}}{gap}"
            )
        done = reason is None or self.chance.random() < 0.5
        tail = (lead or "data: ") + self.chance.choice(("[DONE]", " [DONE] ")) + gap if done else ""
        return Dress(text, (self.chance.choice(("", "\ufeff")) + "".join(events) + tail).encode())

    def cut(self, text: str) -> list[str]:
        """Return a text in pieces."""
        places = sorted(self.chance.randrange(len(text) + 1) for _ in range(self.chance.randrange(5)))
        return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]

    def cut_units(self, text: str) -> list[str]:
        """Return a text in pieces that may end inside a character."""
        raw = text[:40].encode("utf-16-le")
        places = sorted(2 * self.chance.randrange(len(raw) // 2 + 1) for _ in range(4))
        pairs = zip([0, *places], [*places, len(raw)], strict=True)
        rest = [text[40:]] if text[40:] else []
        return [*(raw[start:end].decode("utf-16-le", "surrogatepass") for start, end in pairs), *rest]

    def borders(self, raw: bytes) -> list[bytes]:
        """Return a body in chunks that end anywhere, now and then at every byte."""
        if self.chance.random() < 0.1:
            return [raw[at : at + 1] for at in range(len(raw))]
        pieces, start = [], 0
        while start < len(raw):
            size = self.chance.choice((1, 2, 5, 50, 1_000, 100_000))
            pieces.append(raw[start : start + size])
            start += size
        return pieces


def has_half(body: Any) -> bool:
    """Say whether a value holds half a character, which only an escape can spell."""
    return not json.dumps(body, ensure_ascii=False).isascii() and not is_storable_text(
        json.dumps(body, ensure_ascii=False)
    )


def read_chunks(pieces: list[bytes]) -> tuple[str, str | None]:
    """Return the text of a stream, and the class of what is wrong with it."""
    reader, texts = DeltaReader("chat", {}), []
    try:
        for piece in pieces:
            texts += [delta.text for delta in reader.feed(piece)]
        texts += [delta.text for delta in reader.finish()]
        fault = reader.find_fault()
    except LlmError as error:
        fault = error
    return "".join(texts), str(fault.failure_class) if fault else None


def read_whole(raw: bytes) -> tuple[LlmAnswer | None, str | None]:
    """Return an answer, and the class of why it is no story."""
    try:
        answer = parse_answer("chat", raw, {})
        fault = find_fault(answer)
    except LlmError as error:
        return None, str(error.failure_class)
    return answer, str(fault.failure_class) if fault else None


@pytest.mark.parametrize("tries", [FEW_TRIES, pytest.param(MANY_TRIES, marks=pytest.mark.slow)])
def test_a_readable_text_is_read_whatever_its_dress(chance: random.Random, tries: int) -> None:
    tailor = Tailor(chance)
    for number in range(tries):
        dress = tailor.stream() if number % 2 else tailor.whole()
        answer, failure = read_whole(dress.raw)
        assert (failure, answer and answer.text) == (None, dress.text), dress.raw
        assert answer is not None
        assert answer.finish_reason is not None
        assert read_chunks(tailor.borders(dress.raw)) == (dress.text, None), dress.raw


@pytest.mark.parametrize(
    ("tries", "places"),
    [(8, 60), pytest.param(30, 10_000, marks=pytest.mark.slow)],
    ids=["few", "every byte"],
)
def test_a_text_cut_at_any_byte_is_whole_or_a_failure_of_a_class(
    chance: random.Random, tries: int, places: int
) -> None:
    tailor = Tailor(chance)
    for number in range(tries):
        dress = tailor.stream() if number % 2 else tailor.whole()
        ends = range(len(dress.raw))
        for end in ends if len(ends) <= places else chance.sample(ends, places):
            part = dress.raw[:end]
            text, failure = read_chunks([part])
            assert failure is not None or text == dress.text, part
            answer, failure = read_whole(part)
            assert failure is not None or (answer is not None and answer.text == dress.text), part
