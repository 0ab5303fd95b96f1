"""Each family writes what `generate` writes: alone, in a batch of rows at other positions, and beyond its window."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner
from tests.support.tiny_models.parameters import family_parameters

# The first is longer than the window of 16 tokens; the others have other lengths, so that rows are padded.
PROMPTS = [[5 + place % 90 for place in range(40)], [20], [30, 31, 32]]
TOKENS = 24
TOLERANCE = 1e-4


def write_with_generate(model: Any, prompt: Sequence[int]) -> list[int]:
    tokens = torch.tensor([prompt])
    model.generation_config.eos_token_id = None
    written = model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=TOKENS, do_sample=False, pad_token_id=0
    )
    return [int(token) for token in written[0, len(prompt) :]]


def write_with_runner(runner: ModelRunner, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    nobody = [None] * len(prompts)
    written = [[token] for token in runner.run(0, prompts, [0] * len(prompts), nobody).argmax(-1).tolist()]
    for step in range(TOKENS - 1):
        starts = [len(prompt) + step for prompt in prompts]
        chosen = runner.run(0, [one[-1:] for one in written], starts, nobody).argmax(-1).tolist()
        written = [[*one, token] for one, token in zip(written, chosen, strict=True)]
    return written


@pytest.mark.parametrize("family", family_parameters("tuned", "served"))
def test_a_family_writes_what_generate_writes(family: str, family_folder: Callable[[str], Path]) -> None:
    model = load_base(family_folder(family), torch.float32, "cpu")
    expected = [write_with_generate(model, prompt) for prompt in PROMPTS]
    assert len(set(map(tuple, expected))) > 1, "the texts must differ for this test to mean anything"
    runner = ModelRunner(model, slots=3, context_length=128)
    assert [write_with_runner(runner, [prompt])[0] for prompt in PROMPTS] == expected
    assert write_with_runner(runner, PROMPTS) == expected


@pytest.mark.parametrize("family", family_parameters("tuned", "served"))
def test_a_family_gives_the_logits_of_a_plain_forward_pass(family: str, family_folder: Callable[[str], Path]) -> None:
    model = load_base(family_folder(family), torch.float32, "cpu")
    with torch.inference_mode():
        expected = [model(torch.tensor([prompt])).logits[0].float() for prompt in PROMPTS]
    runner = ModelRunner(model, slots=3, context_length=128)
    found = runner.run(0, PROMPTS, [0] * 3, [None] * 3)
    for row, logits in enumerate(expected):
        torch.testing.assert_close(found[row], logits[-1], rtol=TOLERANCE, atol=TOLERANCE * float(logits.std()))
    alone = runner.run_one(0, PROMPTS[0], 0, None)
    torch.testing.assert_close(alone, expected[0], rtol=TOLERANCE, atol=TOLERANCE * float(expected[0].std()))
