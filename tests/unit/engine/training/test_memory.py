"""The memory check."""

import pytest
import torch

from services.engine.training.memory import InsufficientMemoryError, ModelSize, check_memory, estimate_bytes

GEMMA = ModelSize(weight_bytes=536_000_000, layers=18, hidden=640, inner=2048, vocabulary=262_144)
CPU = torch.device("cpu")


def test_longer_passes_need_more_and_small_ones_little_beyond_the_weights() -> None:
    short, long = (estimate_bytes(GEMMA, tokens, 128, 16) for tokens in (10, 2000))
    assert GEMMA.weight_bytes < short < long
    assert long - short > 1_000_000_000


def test_a_run_that_just_fits_passes_and_one_byte_more_does_not() -> None:
    check_memory(1024, 1024, CPU)
    with pytest.raises(InsufficientMemoryError):
        check_memory(1025, 1024, CPU)


def test_a_run_that_does_not_fit_is_told_both_figures() -> None:
    with pytest.raises(InsufficientMemoryError, match=r"needs about 3 MiB of memory, but 2 MiB are free"):
        check_memory(3 * 1024**2, 2 * 1024**2, CPU)
