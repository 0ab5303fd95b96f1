"""Whoever shares the batch, and whenever they join or leave, each sequence reads as if it were alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch

from services.engine.batching.batch import Batch
from services.engine.batching.requests import Delta, Priority, SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sequence import RunningSequence
from services.engine.model.adapter import Adapter, load_adapter
from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner
from services.engine.model.switchboard import merge_adapter
from tests.support.random_adapter import write_random_adapter

GREEDY = SamplingOptions(temperature=0)
PROMPTS = ["唐朝的一位英雄", "a", "The hero came to the modern city and met a monster there.", "1,2,3,"]


class Room:
    """A batch and the sequences that were put into it."""

    def __init__(
        self, runner: ModelRunner, tokenizer: Any, chunk_tokens: int = 64, end_tokens: list[int] | None = None
    ):
        self.runner, self.tokenizer = runner, tokenizer
        self.deltas: list[tuple[RunningSequence, Delta]] = []
        self.failed: list[RunningSequence] = []
        self.batch = Batch(
            runner,
            end_tokens or [],
            chunk_tokens,
            lambda sequence, delta: self.deltas.append((sequence, delta)),
            lambda sequence, error: self.failed.append(sequence),
        )

    def join(self, prompt: str, max_tokens: int, adapter: Adapter | None = None, **options: Any) -> RunningSequence:
        sampling = SamplingOptions(**options) if options else GREEDY
        request = SequenceRequest(self.tokenizer(prompt).input_ids, max_tokens, sampling, adapter=adapter)
        sequence = RunningSequence(RunningRequest([request], Priority.INTERACTIVE), 0, request, self.tokenizer)
        self.batch.join(sequence)
        return sequence

    def run(self, steps: int = 1000) -> None:
        while len(self.batch) and steps:
            self.batch.step()
            self.batch.drop_gone()
            steps -= 1


@pytest.fixture
async def room(runner: ModelRunner, tokenizer: Any) -> Room:
    await asyncio.sleep(0)  # a running loop, which RunningRequest's queue belongs to
    return Room(runner, tokenizer)


def generate_alone(folder: Path, tokens: list[int], count: int) -> list[int]:
    model = load_base(folder, torch.float32, "cpu")
    ids = torch.tensor([tokens])
    result = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count, do_sample=False
    )
    written: list[int] = result[0, len(tokens) :].tolist()
    return written


def written_by(sequence: RunningSequence) -> list[int]:
    return sequence.tokens[len(sequence.request.prompt) :]


def test_a_batch_writes_what_generate_writes_for_each_prompt_alone(room: Room, tiny_folder: Path) -> None:
    sequences = [room.join(prompt, 40, temperature=0, logit_bias={1: -100}) for prompt in PROMPTS]
    room.run()
    for sequence in sequences:
        assert written_by(sequence) == generate_alone(tiny_folder, sequence.request.prompt, 40)


def test_joining_leaving_and_moving_slots_changes_no_text(room: Room) -> None:
    lengths = [5, 30, 12, 25]
    alone = []
    for prompt, length in zip(PROMPTS, lengths, strict=True):
        alone.append(room.join(prompt, length))
        room.run()
    together = []
    for prompt, length in zip(PROMPTS, lengths, strict=True):
        together.append(room.join(prompt, length))
        room.run(steps=3)
    room.run()
    assert [written_by(one) for one in together] == [written_by(one) for one in alone]


def test_a_long_prompt_read_in_chunks_reads_the_same(runner: ModelRunner, tokenizer: Any, tiny_folder: Path) -> None:
    room = Room(runner, tokenizer, chunk_tokens=16)
    other = room.join("a", 60)
    room.run(steps=2)
    long = room.join(PROMPTS[2] * 5, 20, temperature=0, logit_bias={1: -100})
    before = len(written_by(other))
    room.run(steps=5)
    assert not written_by(long)
    assert len(written_by(other)) == before + 5  # the stream goes on while the prompt is read
    room.run()
    assert written_by(long) == generate_alone(tiny_folder, long.request.prompt, 20)


def test_a_shared_beginning_is_copied_and_reads_the_same(room: Room) -> None:
    beginning = PROMPTS[2] * 2
    alone = room.join(beginning + "x", 20)
    room.run()
    first = room.join(beginning, 30)
    room.run(steps=2)
    second = room.join(beginning + "x", 20)
    room.batch.step()
    assert second.cached > len(first.request.prompt) - 2
    room.run()
    assert written_by(second) == written_by(alone)


def test_the_cache_grows_under_a_running_sequence(room: Room, tiny_folder: Path) -> None:
    sequence = room.join("a", 400, temperature=0, logit_bias={1: -100})
    room.join("bb", 300)
    room.run()
    assert written_by(sequence) == generate_alone(tiny_folder, sequence.request.prompt, 400)
    assert room.runner.cache.capacity == 256  # given back when the batch is empty


def test_a_cancelled_sequence_leaves_before_the_next_step(room: Room) -> None:
    staying, leaving = room.join("a", 10), room.join("b", 1000)
    room.run(steps=3)
    leaving.running.cancel()
    assert room.batch.drop_gone() == [leaving]
    room.run()
    assert len(written_by(staying)) == 10


def test_an_end_token_ends_the_text_and_is_not_part_of_it(runner: ModelRunner, tokenizer: Any) -> None:
    free = Room(runner, tokenizer).join("唐", 1)
    room = Room(runner, tokenizer)
    probe = room.join("唐", 1)
    room.run()
    ending = Room(runner, tokenizer, end_tokens=written_by(probe))
    sequence = ending.join("唐", 50)
    ending.run()
    assert written_by(sequence) == []
    assert ending.deltas[-1][1].finish_reason == "stop"
    assert free.finished is False


@pytest.fixture
def adapters(tiny_folder: Path, tmp_path: Path) -> list[Adapter]:
    folders = [write_random_adapter(tiny_folder, tmp_path / str(n), f"tuned-{n}", "tiny", n) for n in range(2)]
    return [load_adapter(folder, torch.float32, torch.device("cpu")) for folder in folders]


def test_each_row_gets_its_own_adapter(room: Room, adapters: list[Adapter]) -> None:
    wanted = [None, adapters[0], adapters[1], adapters[0]]
    alone = []
    for adapter in wanted:
        alone.append(room.join("唐朝的一位英雄", 15, adapter))
        room.run()
    together = [room.join("唐朝的一位英雄", 15, adapter) for adapter in wanted]
    room.run()
    assert [written_by(one) for one in together] == [written_by(one) for one in alone]
    assert len({tuple(written_by(one)) for one in together}) == 3


def test_a_merged_adapter_writes_what_peft_writes(room: Room, adapters: list[Adapter], tiny_folder: Path) -> None:
    from peft import PeftModel  # noqa: PLC0415 the reference, needed here alone

    adapters[0].merged = merge_adapter(adapters[0], room.runner.linears)
    sequence = room.join("唐朝的一位英雄", 20, adapters[0])
    room.run()
    tuned = PeftModel.from_pretrained(load_base(tiny_folder, torch.float32, "cpu"), str(adapters[0].folder))
    ids = torch.tensor([sequence.request.prompt])
    result = tuned.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, eos_token_id=None
    )
    assert written_by(sequence) == result[0, ids.shape[1] :].tolist()


def join_tokens(room: Room, prompt: list[int], *, scores: bool = False) -> RunningSequence:
    """As `join`, past the checks of the routes."""
    request = SequenceRequest(prompt, 0 if scores else 20, GREEDY, score_prompt=scores)
    sequence = RunningSequence(RunningRequest([request], Priority.INTERACTIVE), 0, request, room.tokenizer)
    room.batch.join(sequence)
    return sequence


async def test_a_sequence_that_cannot_be_run_ends_alone(room: Room, tiny_folder: Path) -> None:
    tokens = room.tokenizer(PROMPTS[2]).input_ids
    expected = generate_alone(tiny_folder, tokens, 20)
    beyond = room.runner.vocabulary_size + 5
    first = room.join(PROMPTS[2], 20)
    room.run(steps=3)
    bad = join_tokens(room, [5, beyond, 6])
    late = room.join(PROMPTS[2], 20)
    worse = join_tokens(room, [beyond])
    scored = join_tokens(room, [5, beyond, 7], scores=True)
    room.run()
    assert set(map(id, room.failed)) == set(map(id, (bad, worse, scored)))
    for sequence in (first, late):
        assert sequence.tokens[len(tokens) :] == expected


async def test_a_sequence_alone_that_cannot_be_run_leaves_a_batch_that_goes_on(room: Room) -> None:
    bad = join_tokens(room, [room.runner.vocabulary_size + 5])
    room.run()
    good = room.join(PROMPTS[1], 5)
    room.run()
    assert room.failed == [bad]
    assert good.written == 5
