"""What an adapter does to the likelihood of a short text: measured in training, and looked for where it is served.

An adapter that is not applied, or applied to other weights, answers all the same; only this shows it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from services.engine.model.adapter import Adapter
from services.engine.model.runner import ModelRunner

PROBE = (
    'Once upon a time, in a small town by the sea, 1207 people saw a light. 从前有一位英雄，他问：“你是谁？” {"a": [1]}'
)
MOST_PROBE_TOKENS = 48
"""Of the probe that are measured, whatever the tokenizer makes of it."""
FLOORS = {torch.float32: 0.005, torch.float64: 0.005}
"""In nats, the mean over the probe's tokens: how far two ways of computing the same may be apart."""
ROUNDED_FLOOR = 0.1
"""The same in 16 bits."""
NOISE_FACTOR = 3.0
"""In units of how far apart the two already are on the base alone."""
TOLERATED_SHARE = 0.1
"""In units of the effect itself."""


class EffectError(Exception):
    """The adapter does not do what it did in training; the message gives the figures."""


@dataclass(frozen=True)
class Effect:
    """Log probabilities of a probe's tokens from the second on, by the base and by the tuned model."""

    tokens: list[int]
    base: list[float]
    tuned: list[float]

    @property
    def size(self) -> float:
        """How far the adapter moves them, in the mean."""
        return measure_distance(self.base, self.tuned)

    def cut(self, length: int) -> "Effect":
        """Return the same of the first `length` tokens."""
        return Effect(self.tokens[:length], self.base[: length - 1], self.tuned[: length - 1])

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, with rounded figures."""
        return {
            name: [round(one, 5) for one in value] if name != "tokens" else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, found: object) -> "Effect | None":
        """Read what `to_json` returned; None for anything else."""
        if not isinstance(found, dict):
            return None
        lists = [found.get(name) for name in ("tokens", "base", "tuned")]
        tokens, base, tuned = ([*one] if isinstance(one, list) else [] for one in lists)
        return cls(tokens, base, tuned) if len(tokens) - 1 == len(base) == len(tuned) > 0 else None


def encode_probe(tokenizer: Any, vocabulary: int) -> list[int]:
    """Return the probe's tokens, at least two, all of them in the vocabulary."""
    tokens = [token for token in tokenizer(PROBE).input_ids if 0 <= token < vocabulary][:MOST_PROBE_TOKENS]
    return tokens if len(tokens) > 1 else [0, min(1, vocabulary - 1)]


def measure_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the mean difference, in nats."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def measure_effect(peft_model: Any, tokens: list[int]) -> Effect:
    """Measure with a model in training: with its adapter, and without."""
    was_training = peft_model.training
    peft_model.eval()
    try:
        tuned = _score(peft_model, tokens)
        with peft_model.disable_adapter():
            base = _score(peft_model, tokens)
    finally:
        peft_model.train(was_training)
    return Effect(tokens, base, tuned)


def measure_served(runner: ModelRunner, tokens: list[int], adapter: Adapter | None) -> list[float]:
    """Return the same figures from a runner: what serving computes."""
    logits = runner.run_one(0, tokens, 0, adapter)
    return _pick(logits, tokens)


def check_effect(
    effect: Effect, served_base: Sequence[float], served_tuned: Sequence[float], dtype: torch.dtype
) -> None:
    """Compare what is served with what training measured.

    Raises: EffectError when the log probabilities are farther from training's than allowed, or hardly moved.
    """
    noise = max(NOISE_FACTOR * measure_distance(served_base, effect.base), FLOORS.get(dtype, ROUNDED_FLOOR))
    away = measure_distance(served_tuned, effect.tuned)
    allowed = noise + TOLERATED_SHARE * effect.size
    if not away <= allowed:
        raise EffectError(
            f"its log probabilities on the probe are {away:.3g} nats away from training's, "
            f"where {allowed:.3g} are allowed"
        )
    moved = measure_distance(served_tuned, served_base)
    if effect.size > 2 * noise and not moved >= effect.size / 2:
        raise EffectError(
            f"it moves the probe's log probabilities by {moved:.3g} nats, and by {effect.size:.3g} in training"
        )


@torch.no_grad()  # type: ignore[untyped-decorator]
def _score(model: Any, tokens: list[int]) -> list[float]:
    device = next(model.parameters()).device
    return _pick(model(input_ids=torch.tensor([tokens], device=device), use_cache=False).logits[0].float(), tokens)


def _pick(logits: torch.Tensor, tokens: list[int]) -> list[float]:
    targets = torch.tensor(tokens[1:], device=logits.device)
    chosen = logits[:-1].log_softmax(-1).gather(1, targets[:, None]).squeeze(1)
    return [float(one) for one in chosen]
