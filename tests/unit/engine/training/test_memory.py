"""The memory estimate against measured peaks, and what is done when memory does not suffice."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from services.engine.model.load import load_base
from services.engine.training.encoding import TrainingSequence
from services.engine.training.kept_values import measure_kept
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.memory import (
    InsufficientMemoryError,
    check_memory,
    count_weight_bytes,
    estimate_memory,
    estimate_weight_bytes,
)
from services.engine.training.objective import CompletionObjective, Item, Measured
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter
from tests.support.tiny_models.build import build_family
from tests.support.usual import mark_unusual

REPOSITORY = Path(__file__).parents[4]
CPU = torch.device("cpu")
# Large enough that activations are most of what moves.
SIZES = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "head_dim": 64}
TOKENS = 2400
ITEMS = [TrainingSequence(list(range(5, 5 + length)), [False] + [True] * (length - 1)) for length in (30, 12, 21, 8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_family("llama", tmp_path / "base")


def attach(folder: Path) -> TunableModel:
    model = attach_new_adapter(load_base(folder, torch.float32, "cpu"), LoraShape(4, 8), seed=3, padding_token=0)
    with torch.no_grad():
        for name, parameter in model.peft_model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7)) * 0.05)
    return model


MEASURED = [(family, how) for family in ("llama", "gemma3") for how in ("kept", "computed-twice")]


@pytest.mark.parametrize("case", mark_unusual(MEASURED, [("llama", "kept")]), ids="-".join)
def test_the_estimate_is_within_a_fifth_of_the_measured_peak(case: tuple[str, str], tmp_path: Path) -> None:
    family, how = case
    kinds = {"layer_types": ["sliding_attention", "full_attention"] * 4} if family == "gemma3" else {}
    sizes = {**SIZES, **kinds, "max_position_embeddings": 4096, "initializer_range": 0.02}
    folder = build_family(family, tmp_path / "base", **sizes)
    options = [str(folder), str(TOKENS), str(how == "computed-twice")]
    command = [sys.executable, "-m", "tests.support.memory_probe", *options]
    # Freed memory goes back at once, so that the peak is what is held, not what the heap has kept.
    environment = os.environ | {
        "MALLOC_TRIM_THRESHOLD_": "0",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "OMP_NUM_THREADS": "1",
    }
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True, timeout=280
    )
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["least"] * 0.8 < found["measured"] < found["most"] * 1.2, found


def test_longer_passes_keep_more_and_checkpointed_ones_less(folder: Path) -> None:
    model = attach(folder)
    kept = measure_kept(model.causal_model)
    assert kept.at(200) == pytest.approx(2 * kept.at(100), rel=0.05)
    assert kept.at(200, checkpointed=True) < kept.at(200) * 0.7
    short, long = (estimate_memory(model.causal_model, kept, tokens=tokens, head_rows=128) for tokens in (10, 2000))
    assert short.weights == count_weight_bytes(model.causal_model.base_model) + sum(
        weight.numel() * 4 for weight in [model.causal_model.lm_head.weight]
    ) - sum(parameter.numel() * 4 for parameter in model.parameters)
    assert long.kept > 100 * short.kept
    assert "to" in long.describe()


def test_weights_are_counted_from_the_headers(folder: Path) -> None:
    expected = count_weight_bytes(load_base(folder, torch.float32, "cpu"))
    assert estimate_weight_bytes(folder, torch.float32) == expected
    assert estimate_weight_bytes(folder, torch.bfloat16) == expected // 2


def test_layers_computed_twice_learn_the_same(folder: Path) -> None:
    def find_gradients(model: TunableModel) -> list[torch.Tensor]:
        model.peft_model.train()
        CompletionObjective().measure(model, ITEMS[:1]).loss.backward()
        return [parameter.grad for parameter in model.parameters if parameter.grad is not None]

    plain, twice = attach(folder), attach(folder)
    twice.checkpoint_gradients()
    for one, other in zip(find_gradients(plain), find_gradients(twice), strict=True):
        assert torch.equal(one, other)


class CrampedObjective(CompletionObjective):
    """A device whose memory holds passes of up to 40 tokens."""

    def measure(self, model: TunableModel, items: Sequence[Item]) -> Measured:
        if max(map(self.length_of, items)) * len(items) > 40:
            raise torch.OutOfMemoryError("full")
        return super().measure(model, items)


def test_a_full_device_gets_smaller_passes_of_the_same_batch(folder: Path) -> None:
    plan = TrainingPlan(epochs=2, batch_size=4, learning_rate=1e-2, seed=7, tokens_per_pass=200)
    told: list[int] = []
    roomy = list(TrainingLoop(attach(folder), CompletionObjective(), ITEMS, plan).steps())
    loop = TrainingLoop(attach(folder), CrampedObjective(), ITEMS, plan, on_smaller_passes=told.append)
    for one, other in zip(roomy, loop.steps(), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.elapsed_tokens == other.elapsed_tokens
    assert told == [100, 50]


def test_a_single_row_that_does_not_fit_ends_the_run(folder: Path) -> None:
    long = TrainingSequence(list(range(5, 55)), [False] + [True] * 49)
    loop = TrainingLoop(attach(folder), CrampedObjective(), [long], TrainingPlan(1, 1, 1e-2, 7))
    with pytest.raises(torch.OutOfMemoryError):
        next(loop.steps())


@pytest.mark.parametrize("tokens_per_pass", [0, 30, 64, 500])
def test_a_batch_gives_the_same_gradient_however_it_is_cut_into_passes(folder: Path, tokens_per_pass: int) -> None:
    whole = TrainingPlan(epochs=1, batch_size=4, learning_rate=1e-2, seed=7, tokens_per_pass=1000)
    cut = TrainingPlan(epochs=1, batch_size=4, learning_rate=1e-2, seed=7, tokens_per_pass=tokens_per_pass)
    one, other = (
        next(TrainingLoop(attach(folder), CompletionObjective(), ITEMS, plan).steps()) for plan in (whole, cut)
    )
    assert other.loss == pytest.approx(one.loss, rel=1e-5)
    assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)


def test_a_run_that_just_fits_passes_and_one_byte_more_does_not() -> None:
    check_memory(1024, 1024, CPU)
    with pytest.raises(InsufficientMemoryError):
        check_memory(1025, 1024, CPU)


def test_a_run_that_does_not_fit_is_told_both_figures() -> None:
    with pytest.raises(InsufficientMemoryError, match=r"needs about 3 MiB of memory, but 2 MiB are free"):
        check_memory(3 * 1024**2, 2 * 1024**2, CPU)
