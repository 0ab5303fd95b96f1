"""With echo and logprobs the engine says how likely a given text is, so that a client can measure a model's loss."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI

from services.engine.model.load import load_base, load_tokenizer
from services.engine.training.encoding import ExampleEncoder, TrainingSequence
from services.engine.training.examples import CompletionExample
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.objective import CompletionObjective
from services.engine.training.tunable_model import LoraShape, attach_new_adapter, attach_parent_adapter
from tests.support.live_engine import LiveEngine

TUNED = "ft:tiny:org:one:1"
ROWS = [
    CompletionExample(f"唐,{number} ->", f" The hero met 奥特曼 and monster {number} in the city." * (1 + number))
    for number in range(4)
]


@pytest.fixture(scope="module")
def sequences(tiny_folder: Path) -> list[TrainingSequence]:
    encoder = ExampleEncoder(load_tokenizer(tiny_folder), 400)
    return [item for item in map(encoder.encode, ROWS) if isinstance(item, TrainingSequence)]


def measure_as_the_trainer(tiny_folder: Path, adapter: Path | None, sequences: list[TrainingSequence]) -> float:
    base = load_base(tiny_folder, torch.float32, "cpu")
    model = (
        attach_new_adapter(base, LoraShape(4, 8), 1, 0) if adapter is None else attach_parent_adapter(base, adapter, 0)
    )
    loop = TrainingLoop(model, CompletionObjective(), sequences, TrainingPlan(1, 1, 1e-4, 1))
    return loop.evaluate(sequences).loss


def score(client: OpenAI, prompt: Any, **options: Any) -> Any:
    arguments = {"model": "tiny", "prompt": prompt, "max_tokens": 0, "echo": True, "logprobs": 2, **options}
    return client.completions.create(**arguments)


@pytest.mark.parametrize("model", ["tiny", TUNED])
def test_a_client_measures_the_loss_that_the_trainer_measures(
    client: OpenAI, engine: LiveEngine, tiny_folder: Path, sequences: list[TrainingSequence], model: str
) -> None:
    answer = score(client, [sequence.tokens for sequence in sequences], model=model)
    learned = [
        logprob
        for choice, sequence in zip(answer.choices, sequences, strict=True)
        for logprob, is_learned in zip(choice.logprobs.token_logprobs, sequence.learned, strict=True)
        if is_learned
    ]
    adapter = engine.state_dir / "adapters" / "one" if model == TUNED else None
    assert -sum(learned) / len(learned) == pytest.approx(
        measure_as_the_trainer(tiny_folder, adapter, sequences), abs=1e-3
    )


def test_offsets_tell_prompt_and_completion_apart(client: OpenAI, sequences: list[TrainingSequence]) -> None:
    text = ROWS[0].prompt + ROWS[0].completion
    by_text, by_tokens = score(client, text).choices[0], score(client, sequences[0].tokens).choices[0]
    assert by_text.text == text
    # The tokens of the row end with one that ends the text; nothing else differs.
    assert by_text.logprobs.token_logprobs[1:] == pytest.approx(by_tokens.logprobs.token_logprobs[1:-1], abs=1e-4)
    learned = [offset >= len(ROWS[0].prompt) for offset in by_text.logprobs.text_offset]
    assert learned == sequences[0].learned[:-1]
    pieces = zip(by_text.logprobs.tokens, by_text.logprobs.text_offset, strict=True)
    assert all(text[offset:].startswith(piece) for piece, offset in pieces if "\ufffd" not in piece)


def test_the_first_token_has_no_probability_and_nothing_is_written(client: OpenAI) -> None:
    answer = score(client, ["abc", "唐"])
    assert [choice.text for choice in answer.choices] == ["abc", "唐"]
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage.completion_tokens == 0
    logprobs = answer.choices[0].logprobs
    assert (logprobs.token_logprobs[0], logprobs.top_logprobs[0]) == (None, None)
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 4
    assert all(math.isfinite(value) and value <= 0 for value in logprobs.token_logprobs[1:])
    assert all(len(top) == 2 for top in logprobs.top_logprobs[1:])


def test_what_is_written_after_a_scored_prompt_is_described_too_streamed_or_not(client: OpenAI) -> None:
    options = {"max_tokens": 6, "temperature": 0, "logit_bias": {"1": -100}}
    whole = score(client, "abc", **options).choices[0]
    assert len(whole.logprobs.tokens) == 4 + 6
    assert whole.text.startswith("abc")
    plain = client.completions.create(model="tiny", prompt="abc", **options)  # type: ignore[call-overload]
    assert whole.text == "abc" + plain.choices[0].text
    chunks = [chunk.choices[0] for chunk in score(client, "abc", stream=True, **options)]
    assert "".join(chunk.text for chunk in chunks) == whole.text
    streamed = [chunk.logprobs for chunk in chunks if chunk.logprobs is not None]
    for name in ("tokens", "token_logprobs", "text_offset"):
        assert [one for logprobs in streamed for one in getattr(logprobs, name)] == pytest.approx(
            getattr(whole.logprobs, name), abs=1e-4
        )


def test_an_echo_without_logprobs_costs_no_scores(client: OpenAI) -> None:
    choice = score(client, "abc", logprobs=None).choices[0]
    assert (choice.text, choice.logprobs, choice.finish_reason) == ("abc", None, "length")


def test_a_prompt_that_fills_the_context_can_be_scored(client: OpenAI) -> None:
    assert len(score(client, [5] * 512).choices[0].logprobs.tokens) == 512
