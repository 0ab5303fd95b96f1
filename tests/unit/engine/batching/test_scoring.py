"""A scored prompt gets the probabilities of one plain pass over it, and the streams beside it do not notice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch

from services.engine.batching.batch import Batch
from services.engine.batching.requests import Delta, Priority, SamplingOptions, SequenceRequest, TokenLogprob
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.scoring import PIECE_TOKENS, score_tokens
from services.engine.batching.sequence import RunningSequence
from services.engine.model.adapter import load_adapter
from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner
from tests.support.random_adapter import write_random_adapter

LONG = "The hero came to the modern city and met a monster there. " * 6
STREAM = SamplingOptions(temperature=0, logit_bias={1: -100})


class Bench:
    """A batch with scored prompts and streams."""

    def __init__(self, runner: ModelRunner, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.deltas: list[tuple[RunningSequence, Delta]] = []
        self.batch = Batch(runner, [], 64, lambda sequence, delta: self.deltas.append((sequence, delta)))

    def join(self, text: str, max_tokens: int, *, score: bool, adapter: Any = None) -> RunningSequence:
        sampling = SamplingOptions(temperature=0, logit_bias={1: -100}, top_logprobs=3) if score else STREAM
        request = SequenceRequest(
            self.tokenizer(text).input_ids, max_tokens, sampling, adapter=adapter, score_prompt=score
        )
        sequence = RunningSequence(RunningRequest([request], Priority.INTERACTIVE), 0, request, self.tokenizer)
        self.batch.join(sequence)
        return sequence

    def run(self, steps: int = 1000) -> None:
        while len(self.batch) and steps:
            self.batch.step()
            self.batch.drop_gone()
            steps -= 1

    def scores_of(self, sequence: RunningSequence) -> list[TokenLogprob]:
        (scores,) = [d.prompt_logprobs for s, d in self.deltas if s is sequence and d.prompt_logprobs is not None]
        return scores


@pytest.fixture
async def bench(runner: ModelRunner, tokenizer: Any) -> Bench:
    await asyncio.sleep(0)  # a running loop, which RunningRequest's queue belongs to
    return Bench(runner, tokenizer)


def score_plainly(folder: Path, tokens: list[int]) -> list[float]:
    logits = load_base(folder, torch.float32, "cpu")(torch.tensor([tokens])).logits[0]
    chosen = logits.log_softmax(-1)[:-1].gather(-1, torch.tensor(tokens[1:])[:, None])
    values: list[float] = chosen.squeeze(-1).tolist()
    return values


def test_a_prompt_read_in_pieces_has_the_scores_of_one_pass(bench: Bench, tiny_folder: Path) -> None:
    scored = bench.join(LONG, 0, score=True)
    bench.run()
    assert len(scored.request.prompt) > 4 * PIECE_TOKENS
    scores = bench.scores_of(scored)
    assert [one.token for one in scores] == scored.request.prompt[1:]
    assert [one.logprob for one in scores] == pytest.approx(score_plainly(tiny_folder, scored.request.prompt), abs=1e-4)
    assert all(len(one.top) == 3 and one.top[0][1] >= one.logprob - 1e-6 for one in scores)
    assert bench.deltas[-1][1].finish_reason == "length"


@pytest.mark.parametrize("length", [1, 2, PIECE_TOKENS, PIECE_TOKENS + 1])
def test_prompts_that_just_fill_a_piece_are_scored_whole(bench: Bench, tiny_folder: Path, length: int) -> None:
    request = SequenceRequest(list(range(2, 2 + length)), 0, SamplingOptions(top_logprobs=0), score_prompt=True)
    scored = RunningSequence(RunningRequest([request], Priority.INTERACTIVE), 0, request, bench.tokenizer)
    bench.batch.join(scored)
    bench.run()
    scores = bench.scores_of(scored)
    assert [one.logprob for one in scores] == pytest.approx(score_plainly(tiny_folder, request.prompt), abs=1e-4)
    assert all(one.top == [] for one in scores)


def test_streams_go_on_and_newcomers_are_read_before_a_prompt_that_is_scored(bench: Bench, tiny_folder: Path) -> None:
    alone = [bench.join(text, count, score=False) for text, count in (("a", 40), (LONG[:40], 30))]
    bench.run()
    stream = bench.join("a", 40, score=False)
    bench.run(steps=3)
    scored = bench.join(LONG, 5, score=True)
    bench.run(steps=2)
    assert bench.batch.scores
    late = bench.join(LONG[:40], 30, score=False)
    bench.run(steps=1)
    assert len(late.tokens) == len(late.request.prompt) + 1
    assert len(stream.tokens) == len(stream.request.prompt) + 6  # a token every step
    assert bench.batch.scores
    bench.run()
    assert [stream.tokens, late.tokens] == [one.tokens for one in alone]
    expected = score_plainly(tiny_folder, scored.request.prompt)
    assert [one.logprob for one in bench.scores_of(scored)] == pytest.approx(expected, abs=1e-4)
    assert len(scored.tokens) == len(scored.request.prompt) + 5


def test_a_shared_beginning_is_not_copied_when_it_is_to_be_scored(bench: Bench) -> None:
    bench.join(LONG, 20, score=False)
    bench.run(steps=8)
    first, second = bench.join(LONG, 0, score=True), bench.join(LONG, 0, score=True)
    bench.run()
    count = len(first.request.prompt) - 1
    assert [len(bench.scores_of(one)) for one in (first, second)] == [count, count]


def test_an_adapter_has_scores_of_its_own(bench: Bench, tiny_folder: Path, tmp_path: Path) -> None:
    folder = write_random_adapter(tiny_folder, tmp_path / "one", "tuned", "tiny")
    adapter = load_adapter(folder, torch.float32, torch.device("cpu"))
    base, tuned = bench.join(LONG, 0, score=True), bench.join(LONG, 0, score=True, adapter=adapter)
    bench.run()
    assert bench.scores_of(base)[5].logprob != pytest.approx(bench.scores_of(tuned)[5].logprob, abs=1e-3)


def test_a_prompt_of_which_nothing_is_to_be_written_ends_when_it_is_read(bench: Bench) -> None:
    silent = bench.join("a", 0, score=False)
    bench.run()
    assert silent.tokens == silent.request.prompt
    assert bench.deltas[-1][1].finish_reason == "length"


def test_scores_are_those_of_the_distribution() -> None:
    logits = torch.randn(5, 50)
    scores = score_tokens(logits, [1, 2, 3, 4, 5], top_count=2)
    expected = logits.log_softmax(-1)
    assert [one.logprob for one in scores] == pytest.approx([float(expected[i, i + 1]) for i in range(5)], abs=1e-5)
    assert [one.top[0][0] for one in scores] == logits.argmax(-1).tolist()
    assert score_tokens(logits[:0], [], top_count=2) == []
