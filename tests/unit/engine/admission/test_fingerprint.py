"""A fingerprint is of what the files say, not of what they are called or how they are cut."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from services.engine.admission.fingerprint import Fingerprint, read_fingerprint, take_fingerprint
from services.engine.model.load import load_tokenizer
from tests.support.tiny_models.build import build_family


def take(folder: Path) -> Fingerprint:
    return take_fingerprint(folder, load_tokenizer(folder))


def test_the_same_model_cut_into_other_files_is_the_same(folder: Path) -> None:
    before = take(folder)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    for number, part in enumerate((names[:5], names[5:])):
        save_file({name: tensors[name] for name in part}, folder / f"model-{number}.safetensors")
    (folder / "model.safetensors").unlink()
    folder = folder.rename(folder.with_name("renamed"))
    assert take(folder) == before


def test_one_changed_number_is_another_model(folder: Path) -> None:
    before = take(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][3] += 1e-3
    save_file(tensors, folder / "model.safetensors")
    assert before.name_differences(take(folder)) == ["weights"]


def test_another_template_or_token_is_another_model(folder: Path) -> None:
    before = take(folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with_template = take(folder)
    assert before.name_differences(with_template) == ["template"]
    tokenizer = load_tokenizer(folder)
    tokenizer.eos_token = "<unk>"
    tokenizer.save_pretrained(folder)
    assert with_template.name_differences(take(folder)) == ["tokenizer"]


def test_it_is_read_once_and_again_when_a_file_changes(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = read_fingerprint(folder, cache)
    (kept,) = cache.iterdir()
    changed = json.loads(kept.read_text())
    changed["fingerprint"]["weights"] = "from the cache"
    kept.write_text(json.dumps(changed))
    assert read_fingerprint(folder, cache).weights == "from the cache"
    build_family("llama", folder, seed=5)
    assert read_fingerprint(folder, cache).name_differences(first) == ["weights"]


def test_pickled_weights_have_one_too(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert take(folder).weights


@pytest.mark.parametrize("found", [None, {}, {"weights": "a"}, {"weights": 1, "tokenizer": "b", "template": "c"}, "x"])
def test_anything_else_is_no_fingerprint(found: object) -> None:
    assert Fingerprint.from_json(found) is None
