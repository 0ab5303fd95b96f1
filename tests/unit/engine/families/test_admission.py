"""Which families are admitted, and what their records say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from services.engine.admission.admit import AdmittedBase, admit_base
from services.engine.admission.refusal import BaseRefusedError
from tests.support.tiny_models.families import BY_NAME
from tests.support.tiny_models.parameters import family_parameters

CPU = torch.device("cpu")


def admit(folder: Path, state: Path, dtype: torch.dtype = torch.float32) -> AdmittedBase:
    return admit_base(str(folder), state, dtype, CPU, slots=4, context_length=128)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("family", family_parameters("tuned", "served"))
def test_a_family_passes_its_self_test(
    family: str, dtype: torch.dtype, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    record = admit(family_folder(family), tmp_path, dtype).record
    assert bool(record.adapter_targets) == (BY_NAME[family].verdict == "tuned")
    assert record.self_test["error"] < 0.05
    assert not {"gate", "router", "lm_head"} & set(record.adapter_targets)
    if BY_NAME[family].dense:
        assert record.left_alone in ([], ["model.embed_tokens_per_layer.weight"])


@pytest.mark.parametrize("family", [name for name in BY_NAME if BY_NAME[name].verdict == "refused"])
def test_a_family_that_the_engine_would_compute_wrongly_is_refused(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(BaseRefusedError, match=r"looks at the words to come|layers of kind|cannot run this arch"):
        admit(family_folder(family), tmp_path)


def test_experts_are_named_as_left_alone(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    record = admit(family_folder("gpt_oss"), tmp_path).record
    assert record.adapter_targets == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert {"model.layers.*.mlp.experts.gate_up_proj", "model.layers.*.mlp.router.weight"} <= set(record.left_alone)
