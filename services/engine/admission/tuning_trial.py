"""Tunes a base for ten steps on texts without meaning, and serves the result: shows that what is learned is served."""

import random
from pathlib import Path
from typing import Any

import torch

from services.engine.model.load import load_base, load_tokenizer
from services.engine.model.positions import find_longest_positions
from services.engine.training.effect import encode_probe, measure_effect
from services.engine.training.encoding import TrainingSequence
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.objective import CompletionObjective
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.served_effect import check_served
from services.engine.training.tunable_model import LoraShape, attach_new_adapter

STEPS = 10
SHAPE = LoraShape(rank=8, alpha=16)
LEARNING_RATE = 1e-3
LENGTHS = (24, 12)
CARD = ModelCard("trial", "trial", None, 0, None, "model")


def try_tuning(folder: Path, dtype: torch.dtype, device: torch.device, work: Path) -> dict[str, Any]:
    """Return the losses and the size of the effect. Writes an adapter into `work`.

    Raises: BaseRefusedError when the base cannot be loaded or has no layers to tune, TrainingDivergedError when the
    loss is no longer finite, AdapterError when serving cannot apply the adapter, EffectError when training changed
    nothing or serving does not find the same effect.
    """
    tokenizer = load_tokenizer(folder)
    base = load_base(folder, dtype, device)
    vocabulary = base.get_input_embeddings().weight.shape[0]
    sequences = _make_sequences(vocabulary, find_longest_positions(base.config))
    model = attach_new_adapter(base, SHAPE, seed=1, padding_token=tokenizer.pad_token_id)
    plan = TrainingPlan(epochs=STEPS, batch_size=len(sequences), learning_rate=LEARNING_RATE, seed=1)
    losses = [metrics.loss for metrics in TrainingLoop(model, CompletionObjective(), sequences, plan).steps()]
    effect = measure_effect(model.peft_model, encode_probe(tokenizer, vocabulary))
    target = work / "trial-adapter"
    publish_adapter(model, target, CARD, check=lambda written: check_served(model.peft_model, written, effect))
    return {"steps": STEPS, "first_loss": losses[0], "last_loss": losses[-1], "effect": effect.size}


def _make_sequences(vocabulary: int, longest: int | None) -> list[TrainingSequence]:
    source = random.Random(7)  # noqa: S311 not for secrets
    lengths = [min(length, longest or length) for length in LENGTHS]
    return [
        TrainingSequence([source.randrange(vocabulary) for _ in range(length)], [place > 0 for place in range(length)])
        for length in lengths
    ]
