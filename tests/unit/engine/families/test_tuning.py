"""Each family learns as plain peft does, and its adapter is served as peft applies it, merged or not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.tuning_trial import try_tuning
from services.engine.model.adapter import load_adapter
from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner
from services.engine.model.switchboard import check_adapter_fits, merge_adapter
from services.engine.training.encoding import TrainingSequence
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.objective import CompletionObjective
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.resume_points import load_newest_resume_point, save_resume_point
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter
from tests.support.tiny_models.parameters import family_parameters

SEQUENCES = [
    TrainingSequence([5 + (place * step) % 90 for place in range(length)], [place > 3 for place in range(length)])
    for step, length in ((1, 30), (3, 12), (7, 21), (11, 8))
]
CARD = ModelCard("ft:tiny:1", "tiny", None, 0, None, "model")
TOLERANCE = 1e-3


def attach(folder: Path) -> TunableModel:
    """A model whose adapter already does something: with B at zero, A has no gradient."""
    model = attach_new_adapter(load_base(folder, torch.float32, "cpu"), LoraShape(4, 8), seed=3, padding_token=0)
    with torch.no_grad():
        for name, parameter in model.peft_model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7)) * 0.05)
    return model


def plain_loss(peft_model: Any, sequence: TrainingSequence) -> torch.Tensor:
    tokens = torch.tensor([sequence.tokens])
    logits = peft_model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="none")
    return (losses * torch.tensor(sequence.learned[1:])).sum()


def find_gradients(model: TunableModel) -> list[torch.Tensor]:
    return [parameter.grad for parameter in model.parameters if parameter.grad is not None]


@pytest.mark.parametrize("family", family_parameters("tuned"))
def test_a_family_learns_as_with_plain_peft(family: str, family_folder: Callable[[str], Path]) -> None:
    model = attach(family_folder(family))
    model.peft_model.eval()
    weight = sum(sequence.learned_count for sequence in SEQUENCES)
    (CompletionObjective().measure(model, SEQUENCES).loss / weight).backward()
    found = copy.deepcopy(find_gradients(model))
    model.peft_model.zero_grad()
    (sum(plain_loss(model.peft_model, sequence) for sequence in SEQUENCES) / weight).backward()
    expected = find_gradients(model)
    assert len(found) == len(expected) == len(model.parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE * float(other.abs().max()) + 1e-7)


@pytest.mark.parametrize("family", family_parameters("tuned"))
def test_an_adapter_is_served_as_peft_applies_it(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    model = attach(family_folder(family))
    model.peft_model.eval()
    tokens = SEQUENCES[0].tokens
    with torch.inference_mode():
        expected = model.peft_model(torch.tensor([tokens])).logits[0].float()
    publish_adapter(model, tmp_path / "adapter", CARD)
    runner = ModelRunner(load_base(family_folder(family), torch.float32, "cpu"), slots=2, context_length=64)
    adapter = load_adapter(tmp_path / "adapter", torch.float32, torch.device("cpu"))
    check_adapter_fits(adapter, runner.linears)
    limits = {"rtol": TOLERANCE, "atol": TOLERANCE * float(expected.std())}
    torch.testing.assert_close(runner.run_one(0, tokens, 0, adapter), expected, **limits)
    beside_the_base = runner.run(0, [tokens, tokens], [0, 0], [adapter, None])
    torch.testing.assert_close(beside_the_base[0], expected[-1], **limits)
    assert not torch.allclose(beside_the_base[1], expected[-1], **limits)
    adapter.merged = merge_adapter(adapter, runner.linears)
    torch.testing.assert_close(runner.run_one(0, tokens, 0, adapter), expected, **limits)


@pytest.mark.parametrize("family", family_parameters("tuned"))
def test_a_resumed_run_goes_on_where_it_stood(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    plan = TrainingPlan(epochs=2, batch_size=2, learning_rate=1e-2, seed=7)

    def make_loop() -> TrainingLoop:
        model = attach_new_adapter(
            load_base(family_folder(family), torch.float32, "cpu"), LoraShape(4, 8), seed=3, padding_token=0
        )
        return TrainingLoop(model, CompletionObjective(), SEQUENCES, plan)

    unbroken = [(metrics.loss, metrics.learning_rate) for metrics in make_loop().steps()]
    broken = make_loop()
    steps = broken.steps()
    head = [(metrics.loss, metrics.learning_rate) for metrics in (next(steps), next(steps))]
    save_resume_point(tmp_path, broken.state())
    resumed = make_loop()
    state = load_newest_resume_point(tmp_path)
    assert state is not None
    resumed.restore(state)
    assert head + [(metrics.loss, metrics.learning_rate) for metrics in resumed.steps()] == unbroken


@pytest.mark.parametrize("family", family_parameters("tuned"))
def test_what_a_family_learns_is_what_it_serves(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    found = try_tuning(family_folder(family), torch.float32, torch.device("cpu"), tmp_path)
    assert found["last_loss"] < found["first_loss"]
    assert found["effect"] > 0.001


@pytest.mark.parametrize("family", family_parameters("served"))
def test_a_family_without_layers_for_an_adapter_is_refused_before_the_first_step(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(BaseRefusedError, match="has no linear layers that an adapter could be served on"):
        try_tuning(family_folder(family), torch.float32, torch.device("cpu"), tmp_path)


@pytest.mark.parametrize("family", family_parameters("tuned"))
def test_the_base_makes_no_noise_while_it_is_tuned(family: str, family_folder: Callable[[str], Path]) -> None:
    model = attach(family_folder(family))
    model.peft_model.train()
    tokens = torch.tensor([SEQUENCES[0].tokens])
    with torch.no_grad():
        assert torch.equal(model.peft_model(tokens).logits, model.peft_model(tokens).logits)
