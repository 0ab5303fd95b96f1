"""Interactive requests go first, and volume leaves room for them."""

from typing import Any

import pytest

from services.engine.batching.requests import Priority, SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sequence import RunningSequence
from services.engine.batching.waiting_line import WaitingLine


@pytest.fixture
def make_sequence(tokenizer: Any) -> Any:
    def make(priority: Priority, *, score_prompt: bool = False) -> RunningSequence:
        request = SequenceRequest([1, 2], 5, SamplingOptions(), score_prompt=score_prompt)
        return RunningSequence(RunningRequest([request], priority), 0, request, tokenizer)

    return make


async def test_interactive_goes_before_volume_that_came_earlier(make_sequence: Any) -> None:
    line = WaitingLine(batch_size=4)
    volume, interactive = make_sequence(Priority.VOLUME), make_sequence(Priority.INTERACTIVE)
    line.add(volume)
    line.add(interactive)
    assert [line.take(0), line.take(1), line.take(2)] == [interactive, volume, None]


async def test_volume_leaves_a_quarter_of_the_batch_to_interactive(make_sequence: Any) -> None:
    line = WaitingLine(batch_size=4)
    line.add(make_sequence(Priority.VOLUME))
    assert line.take(3) is None
    assert line.take(2) is not None


async def test_a_prompt_to_be_scored_lets_others_pass_while_one_is_scored(make_sequence: Any) -> None:
    line = WaitingLine(batch_size=4)
    scored = make_sequence(Priority.INTERACTIVE, score_prompt=True)
    interactive, volume = make_sequence(Priority.INTERACTIVE), make_sequence(Priority.VOLUME)
    for one in (scored, interactive, volume):
        line.add(one)
    assert [line.take(0, may_score=False) for _ in range(3)] == [interactive, volume, None]
    line.add(interactive)
    assert [line.take(0), line.take(1)] == [scored, interactive]  # first come first served


async def test_cancelled_sequences_leave_the_line(make_sequence: Any) -> None:
    line = WaitingLine(batch_size=4)
    sequence = make_sequence(Priority.VOLUME)
    line.add(sequence)
    sequence.running.cancel()
    assert line.drop_cancelled() == [sequence]
    assert len(line) == 0
