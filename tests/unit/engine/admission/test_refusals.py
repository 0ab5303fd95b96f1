"""A folder that could only be loaded wrongly is refused, with the names or numbers that decide and what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForSequenceClassification

from services.engine.admission.admit import AdmittedBase, admit_base
from services.engine.admission.folder import resolve_folder
from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.load import load_base, load_tokenizer
from services.engine.model.positions import find_longest_positions
from tests.support.tiny_models.build import build_family

CPU = torch.device("cpu")
Tensors = dict[str, torch.Tensor]


def admit(folder: Path) -> AdmittedBase:
    return admit_base(str(folder), folder.parent / "state", torch.float32, CPU, slots=2, context_length=64)


def change_weights(folder: Path, change: Callable[[Tensors], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))


def test_a_good_folder_is_admitted(folder: Path) -> None:
    assert admit(folder).record.architecture == "LlamaForCausalLM"


def test_missing_weights_are_named_and_not_made_up(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(BaseRefusedError, match=r"lacks 1 tensors .*\(model.layers.1.mlp.up_proj.weight\)"):
        admit(folder)


def test_weights_without_a_place_are_named_and_not_dropped(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.update({"model.layers.0.extra.weight": torch.zeros(2)}))
    with pytest.raises(BaseRefusedError, match=r"holds 1 tensors .*no place for \(model.layers.0.extra.weight\)"):
        admit(folder)


def test_tables_of_old_checkpoints_do_no_harm(folder: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change_weights(folder, lambda tensors: tensors.update({name: torch.zeros(4)}))
    assert admit(folder).record.parameters


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    change_json(folder / "config.json", intermediate_size=48)
    with pytest.raises(BaseRefusedError, match=r"mlp\.(down|gate|up)_proj"):
        admit(folder)


@pytest.mark.parametrize("method", ["gptq", "fp8", "surprise"])
def test_quantised_weights_are_refused_by_their_method(folder: Path, method: str) -> None:
    change_json(folder / "config.json", quantization_config={"quant_method": method})
    with pytest.raises(BaseRefusedError, match=f"quant_method '{method}'"):
        admit(folder)


def test_eight_bit_weights_without_scales_are_refused(folder: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    change_weights(folder, lambda tensors: tensors.update({name: tensors[name].to(torch.float8_e4m3fn)}))
    with pytest.raises(BaseRefusedError, match=r"up_proj.weight \(F8_E4M3\)"):
        admit(folder)


def test_pickled_weights_are_served_with_a_warning(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pytorch_model.bin is a pickle" in admit(folder).record.warnings[0]


def test_a_shard_that_was_not_copied_is_named(folder: Path) -> None:
    index = {"metadata": {}, "weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BaseRefusedError, match=r"lacks model-00002-of-00002.safetensors"):
        admit(folder)


def test_a_file_that_was_cut_short_is_refused_with_its_sizes(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1000])
    with pytest.raises(BaseRefusedError, match=rf"has {len(content) - 1000} bytes where {len(content)} belong"):
        admit(folder)


def test_a_classifier_is_no_base(folder: Path) -> None:
    LlamaForSequenceClassification.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(BaseRefusedError, match="saved as LlamaForSequenceClassification, not as LlamaForCausalLM"):
        admit(folder)


@pytest.mark.parametrize("kind", ["t5", "whisper", "clip"])
def test_models_that_do_not_write_from_left_to_right_are_refused(folder: Path, kind: str) -> None:
    change_json(folder / "config.json", model_type=kind, is_encoder_decoder=kind != "clip")
    with pytest.raises(BaseRefusedError, match=f"of the type '{kind}', which does not write text"):
        admit(folder)


def test_an_unknown_type_says_that_its_code_is_not_run(folder: Path) -> None:
    change_json(folder / "config.json", model_type="homemade", auto_map={"AutoModelForCausalLM": "code.Model"})
    with pytest.raises(BaseRefusedError, match=r"'homemade', .*code of its own, which is never run"):
        admit(folder)


def test_an_adapter_is_no_base(folder: Path, tmp_path: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BaseRefusedError, match="holds an adapter beside the weights"):
        admit(folder)
    (folder / "config.json").unlink()
    with pytest.raises(BaseRefusedError, match="an adapter, not a base model"):
        admit(folder)


def test_a_tokenizer_larger_than_the_embedding_is_refused_with_both_numbers(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    rows = len(tokenizer)
    tokenizer.add_tokens(["one-more"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(BaseRefusedError, match=rf"up to number {rows}, but the model's embedding has {rows} rows"):
        admit(folder)


def test_a_base_without_an_end_of_text_is_refused(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", eos_token=None)
    for name in ("config.json", "generation_config.json"):
        change_json(folder / name, eos_token_id=...)
    with pytest.raises(BaseRefusedError, match="has no end-of-text token"):
        admit(folder)


def test_the_generation_settings_say_which_tokens_end_a_text(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", eos_token=None)
    change_json(folder / "generation_config.json", eos_token_id=[7, 1])
    base = admit(folder)
    assert base.record.end_tokens == [7, 1]
    assert base.tokenizer.eos_token_id == 7


def test_a_folder_that_is_not_there_is_not_asked_for_on_the_hub(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nothing"), "./nothing", "nothing"):
        with pytest.raises(BaseRefusedError, match="There is no folder"):
            resolve_folder(name)


def test_a_hub_id_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BaseRefusedError, match="owner/nothing-of-that-name is no folder here, and the hub gave no"):
        resolve_folder("owner/nothing-of-that-name")


def test_damaged_numbers_are_found(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    with pytest.raises(BaseRefusedError, match="not finite"):
        admit(folder)


def test_stretched_positions_are_served_up_to_where_they_are_exact(tmp_path: Path) -> None:
    factors = [1.0 + place for place in range(4)]
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": factors, "long_factor": factors}
    folder = build_family(
        "phi3",
        tmp_path / "long",
        rope_parameters={**rope, "original_max_position_embeddings": 64},
        original_max_position_embeddings=64,
    )
    assert find_longest_positions(load_base(folder, torch.float32, "cpu").config) == 64
    base = admit_base(str(folder), tmp_path / "state", torch.float32, CPU, slots=2, context_length=200)
    assert base.runner.context_length == 64
