"""Epochs and billed tokens of a training run, as the providers' cookbook works them out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TARGET_EPOCHS = 3
MIN_TARGET_EXAMPLES, MAX_TARGET_EXAMPLES = 100, 25_000
MIN_EPOCHS, MAX_EPOCHS = 1, 25


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """`billed_tokens` counts all epochs; rows beyond the model's limit are cut to it."""

    epochs: int
    tokens_per_epoch: int
    billed_tokens: int


def estimate_training(tokens: NDArray[np.int64], limit: int | None) -> TrainingEstimate:
    """The default number of epochs for so many examples, and what is billed."""
    epochs = default_epochs(len(tokens))
    per_epoch = int(np.minimum(tokens, limit).sum() if limit else tokens.sum())
    return TrainingEstimate(epochs, per_epoch, per_epoch * epochs)


def default_epochs(examples: int) -> int:
    """Three, but more for few examples and fewer for very many."""
    if not examples:
        return TARGET_EPOCHS
    if examples * TARGET_EPOCHS < MIN_TARGET_EXAMPLES:
        return min(MAX_EPOCHS, MIN_TARGET_EXAMPLES // examples)
    if examples * TARGET_EPOCHS > MAX_TARGET_EXAMPLES:
        return max(MIN_EPOCHS, MAX_TARGET_EXAMPLES // examples)
    return TARGET_EPOCHS
