"""Texts that are held to a grammar share the batch with free ones: neither notices the other."""

import asyncio
import json
import re
from typing import Any

import pytest

from services.engine.batching.batch import Batch
from services.engine.batching.requests import Delta, Priority, SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sequence import RunningSequence
from services.engine.constraints.compiler import CompiledGrammar, GrammarCompiler
from services.engine.constraints.grammar import demand_json, demand_match
from services.engine.errors import InvalidRequestError
from services.engine.model.runner import ModelRunner

END = 1


class Room:
    """A batch, what its sequences said, and how those failed that did."""

    def __init__(self, runner: ModelRunner, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.deltas: dict[RunningSequence, list[Delta]] = {}
        self.failures: dict[RunningSequence, Exception] = {}
        self.batch = Batch(
            runner, [END], 64, lambda one, delta: self.deltas[one].append(delta), self.failures.__setitem__
        )

    def join(self, grammar: CompiledGrammar | None, seed: int = 0, **options: Any) -> RunningSequence:
        sampling = SamplingOptions(seed=seed, **options)
        request = SequenceRequest(self.tokenizer("a hero").input_ids, 40, sampling, grammar=grammar)
        sequence = RunningSequence(RunningRequest([request], Priority.INTERACTIVE), 0, request, self.tokenizer)
        self.deltas[sequence] = []
        self.batch.join(sequence)
        return sequence

    def run(self) -> None:
        while len(self.batch):
            self.batch.step()
            self.batch.drop_gone()

    def said(self, sequence: RunningSequence) -> tuple[str, str | None]:
        deltas = self.deltas[sequence]
        return "".join(delta.text for delta in deltas), deltas[-1].finish_reason


@pytest.fixture
async def room(runner: ModelRunner, tokenizer: Any) -> Room:
    await asyncio.sleep(0)
    return Room(runner, tokenizer)


async def compile_for(tokenizer: Any, pattern: str, size: int | None = None) -> CompiledGrammar:
    compiler = GrammarCompiler(tokenizer, size or len(tokenizer), [END], most_bytes=1000)
    return await compiler.compile(demand_match(pattern, "guided_regex"))


async def test_held_texts_obey_and_free_ones_stay_as_they_are(room: Room, tokenizer: Any) -> None:
    free = {"logit_bias": {END: -100.0}}
    alone = room.join(None, **free)
    room.run()
    grammar = await compile_for(tokenizer, "[ab]{4}-[0-9]{2}")
    held = [room.join(grammar, seed, temperature=temperature) for seed, temperature in enumerate((0.0, 1.0, 2.0, 1.0))]
    beside = room.join(None, **free)
    room.run()
    assert room.said(beside) == room.said(alone)
    for sequence in held:
        text, reason = room.said(sequence)
        assert re.fullmatch("[ab]{4}-[0-9]{2}", text)
        assert reason == "stop"
        assert (
            len(sequence.tokens) - len(sequence.request.prompt) == sequence.written == 7
        )  # no token for the end alone
    assert len({room.said(sequence)[0] for sequence in held}) > 1


async def test_bias_and_penalties_lead_nowhere_that_is_forbidden(room: Room, tokenizer: Any) -> None:
    grammar = await compile_for(tokenizer, "a{9}")
    strange = room.join(grammar, logit_bias={END: 100.0, 300: 100.0}, presence_penalty=2.0, frequency_penalty=2.0)
    room.run()
    assert room.said(strange) == ("a" * 9, "stop")


async def test_a_form_that_never_ends_ends_with_its_tokens(room: Room, tokenizer: Any) -> None:
    endless = room.join(await compile_for(tokenizer, "a{500}"))
    room.run()
    assert room.said(endless) == ("a" * 40, "length")


async def test_a_text_that_cannot_go_on_ends_alone(room: Room, tokenizer: Any) -> None:
    free = room.join(None, logit_bias={END: -100.0})
    stuck = room.join(await compile_for(tokenizer, "[a-c]+", size=10))  # a model without a token for any of them
    room.run()
    (failure,) = room.failures.values()
    assert list(room.failures) == [stuck]
    assert isinstance(failure, InvalidRequestError)
    assert (failure.param, failure.code) == ("guided_regex", "grammar_too_complex")
    assert room.said(free)[1] == "length"


async def test_most_likely_texts_are_valid_too(room: Room, tokenizer: Any) -> None:
    compiler = GrammarCompiler(tokenizer, len(tokenizer), [END], most_bytes=1000)
    schema = {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    held = room.join(await compiler.compile(demand_json(schema, "f")), temperature=0)
    room.run()
    assert json.loads(room.said(held)[0])["a"] in {True, False}
