"""The effect check tells an adapter that is applied from one that is not, or that is another."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.adapter import AdapterError, load_adapter
from services.engine.model.load import load_base
from services.engine.training.effect import Effect, EffectError, check_effect, encode_probe, measure_effect
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.served_effect import check_served
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter, attach_parent_adapter
from tests.support.tiny_model import build_tiny_tokenizer
from tests.support.tiny_models.build import build_family

BASE, TUNED = [-1.0, -2.0, -3.0], [-1.5, -2.5, -2.0]
EFFECT = Effect([1, 2, 3, 4], BASE, TUNED)
CARD = ModelCard("one", "base", None, 0, None, "model")
WEIGHTS = "adapter_model.safetensors"


def attach(folder: Path) -> TunableModel:
    model = attach_new_adapter(load_base(folder, torch.float32, "cpu"), LoraShape(4, 8), seed=3, padding_token=0)
    with torch.no_grad():
        for name, parameter in model.peft_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_family("llama", tmp_path / "base")


def test_the_same_effect_passes() -> None:
    near = ([one + 0.01 for one in BASE], [one - 0.02 for one in TUNED])
    passed = [check_effect(EFFECT, base, tuned, torch.float32) for base, tuned in ((BASE, TUNED), near)]
    assert passed == [None, None], "neither raises"


@pytest.mark.parametrize("served", [BASE, [-1.5, -2.5, -2.9], [float("nan")] * 3], ids=["base", "other", "nan"])
def test_another_effect_does_not(served: list[float]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        with pytest.raises(EffectError, match="nats away from training's"):
            check_effect(EFFECT, BASE, served, dtype)


def test_another_base_under_the_adapter_is_found_by_what_is_then_written() -> None:
    with pytest.raises(EffectError):
        check_effect(EFFECT, [-1.0, -2.0, -3.5], [-1.0, -2.0, -3.6], torch.float32)


def test_an_effect_is_kept_in_a_card_as_it_was() -> None:
    assert Effect.from_json(EFFECT.to_json()) == EFFECT
    for broken in (None, {}, {"tokens": [1], "base": [], "tuned": []}, {**EFFECT.to_json(), "base": [1.0]}):
        assert Effect.from_json(broken) is None


def test_a_written_adapter_is_served_as_it_was_trained_and_one_that_was_changed_is_not(
    folder: Path, tmp_path: Path
) -> None:
    model = attach(folder)
    effect = measure_effect(model.peft_model, encode_probe(build_tiny_tokenizer(), 300))
    assert effect.size > 0.1
    publish_adapter(model, tmp_path / "one", CARD)
    tensors = load_file(tmp_path / "one" / WEIGHTS)
    save_file({name: tensor * 1.5 for name, tensor in tensors.items()}, tmp_path / "one" / WEIGHTS)
    with pytest.raises(EffectError):
        check_served(model.peft_model, tmp_path / "one", effect)
    save_file({name: -tensor if "lora_B" in name else tensor for name, tensor in tensors.items()}, tmp_path / "two.st")
    publish_adapter(attach(folder), tmp_path / "two", CARD)
    (tmp_path / "two.st").replace(tmp_path / "two" / WEIGHTS)
    again = attach(folder)
    with pytest.raises(EffectError, match="nats away"):
        check_served(again.peft_model, tmp_path / "two", effect)


def test_nothing_is_published_that_does_not_pass(folder: Path, tmp_path: Path) -> None:
    model = attach_new_adapter(load_base(folder, torch.float32, "cpu"), LoraShape(4, 8), seed=3, padding_token=0)
    effect = measure_effect(model.peft_model, [1, 2, 3])
    with pytest.raises(EffectError, match="training has changed nothing"):
        publish_adapter(
            model, tmp_path / "one", CARD, check=lambda written: check_served(model.peft_model, written, effect)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_tensors_that_serving_would_pass_over_are_refused(folder: Path, tmp_path: Path) -> None:
    publish_adapter(attach(folder), tmp_path / "one", CARD)
    tensors = load_file(tmp_path / "one" / WEIGHTS)
    name = next(iter(tensors)).replace("lora_A.weight", "lora_B.bias").replace("lora_B.weight", "lora_B.bias")
    save_file({**tensors, name: torch.zeros(32)}, tmp_path / "one" / WEIGHTS)
    with pytest.raises(AdapterError, match=r"lora_B\.bias"):
        load_adapter(tmp_path / "one", torch.float32, torch.device("cpu"))


def test_a_parent_whose_tensors_do_not_all_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    publish_adapter(attach(folder), tmp_path / "one", CARD)
    attach_parent_adapter(load_base(folder, torch.float32, "cpu"), tmp_path / "one", 0)
    tensors = load_file(tmp_path / "one" / WEIGHTS)
    lost = {name.replace("layers.1", "layers.7"): tensor for name, tensor in tensors.items()}
    save_file(lost, tmp_path / "one" / WEIGHTS)
    with pytest.raises(BaseRefusedError, match=r"does not fit on this base \(.*layers\.[17]"):
        attach_parent_adapter(load_base(folder, torch.float32, "cpu"), tmp_path / "one", 0)
