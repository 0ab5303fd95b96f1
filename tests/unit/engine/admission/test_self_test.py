"""The self-test finds engines that compute something else than the model; a passed one is not repeated."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from services.engine.admission.admit import admit_base
from services.engine.admission.full_precision import is_right_in_full
from services.engine.admission.record import read_raw_record
from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.self_test import compare, take_reference
from services.engine.admission.serving_memory import ServingMemory
from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner
from tests.support.tiny_models.build import build_family

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_window_that_is_not_kept_is_found(tmp_path: Path, dtype: torch.dtype) -> None:
    model = load_base(build_family("gemma2", tmp_path / "base"), dtype, "cpu")
    reference = take_reference(model)
    runner = ModelRunner(model, slots=3, context_length=64)
    assert compare(runner, reference) < 0.05
    runner.window = 10_000
    with pytest.raises(BaseRefusedError, match="does not compute this model rightly"):
        compare(runner, reference)


def test_a_layer_that_is_computed_wrongly_is_found(folder: Path) -> None:
    model = load_base(folder, torch.float32, "cpu")
    reference = take_reference(model)
    runner = ModelRunner(model, slots=3, context_length=64)
    linear = runner.linears["model.layers.1.mlp.up_proj"]
    product = linear.product
    linear.product = lambda x: product(x) * 1.01
    with pytest.raises(BaseRefusedError, match="does not compute this model rightly"):
        compare(runner, reference)


def test_rounding_alone_refuses_no_base_that_is_right_in_full(folder: Path) -> None:
    model = load_base(folder, torch.bfloat16, "cpu")
    reference, runner = take_reference(model), ModelRunner(model, slots=3, context_length=64)
    # What the built-in model showed on a processor with AMX: 0.165 typically, 0.367 at most.
    with pytest.raises(BaseRefusedError, match=r"0\.165 \(at most 0\.165\)"):
        compare(runner, reference, measure=lambda _found, _expected: 0.165)
    assert compare(runner, reference, only_rounds=True, measure=lambda _found, _expected: 0.165) == 0.165
    with pytest.raises(BaseRefusedError, match="does not compute this model rightly"):
        compare(runner, reference, only_rounds=True, measure=lambda _found, _expected: 0.9)


def test_a_base_is_tried_in_32_bits_where_they_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right_in_full(folder, torch.bfloat16, CPU)
    assert not is_right_in_full(folder, torch.float32, CPU), "that is what the test itself does"
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2000))
    assert not is_right_in_full(folder, torch.bfloat16, CPU)


def test_what_serving_takes_is_told_whether_the_base_is_tried_or_known(folder: Path, tmp_path: Path) -> None:
    def admit() -> ServingMemory:
        return admit_base(str(folder), tmp_path, torch.float32, CPU, slots=2, context_length=64).memory

    plan = admit()
    assert plan == admit()
    # 2 layers x keys and values x 2 heads of 8 x 4 bytes, for 2 sequences of 64 tokens
    assert plan.full_cache == 2 * 2 * 2 * 8 * 4 * 2 * 64
    assert plan.weights > plan.merged_copy > 0
    assert plan.count_merged(3, plan.full_cache + 2 * plan.merged_copy) == 2
    assert plan.count_merged(3, plan.full_cache - 1) == 0


def test_weights_that_do_not_fit_are_refused_before_they_are_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2000))
    with pytest.raises(BaseRefusedError, match=r"need 0 MiB as float32 on cpu, and 0 MiB are free"):
        admit_base(str(folder), tmp_path, torch.float32, CPU, slots=2, context_length=64)


def test_a_base_is_tried_once_for_each_dtype(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(dtype: torch.dtype) -> list[str]:
        stages: list[str] = []
        base = admit_base(str(folder), tmp_path, dtype, CPU, slots=2, context_length=64, report=stages.append)
        assert read_raw_record(tmp_path / "admission", base.record.fingerprint) == base.record.to_json()
        return stages

    assert "trying the model" in admit(torch.float32)
    assert "trying the model" not in admit(torch.float32)
    assert "trying the model" in admit(torch.bfloat16)
