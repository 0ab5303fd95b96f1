"""Shows that the engine computes what the model says: its logits against a plain forward pass of the same weights.

The reference is taken before the linear layers are replaced; then rows of different lengths run in one batch, beyond
the window where there is a short one, and go on token by token.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.positions import find_longest_positions
from services.engine.model.runner import ModelRunner

SELF_TEST_VERSION = 1
"""Raised when the test below changes, so that bases admitted by an older one are tried again."""
STEPS = 4
"""Tokens written after each probe text: enough to go on from the cache several times."""
LONGEST_CROSSED_WINDOW = 576
"""A window up to this long is crossed. (Reading 600 tokens of an 8 B model takes a GPU 0.1 s, two cores a minute.)"""
LARGEST_ERROR = {torch.float32: 2e-3, torch.float64: 2e-3}
"""Of the difference to the reference, in units of the reference's spread over the vocabulary: only the order of sums
differs in these."""
LARGEST_ROUNDED_ERROR = 0.5
"""In 16 bits, in the same unit: rounding moves logits by a hundredth or two, and a router may choose another expert."""
TYPICAL_ROUNDED_ERROR = 0.1
"""In 16 bits, the median, in the same unit."""
UNRELATED_ERROR = 1.4
"""Of logits that have nothing to do with each other."""
HALF_WAY = UNRELATED_ERROR / 3
"""In 16 bits, the median, where 32 bits have shown that the sums are right. Rounding alone moves those of a small model
by more than a tenth: two of a processor's ways to multiply (Gemma 3 270M on AMX, with and without oneDNN) are 0.12
apart."""
Measure = Callable[[Tensor, Tensor], float]
"""Tells how far logits that were found are from those that were expected."""


@dataclass(frozen=True)
class Reference:
    """What a plain pass gave: per prompt with its continuation, the logits at its last STEPS + 1 places."""

    texts: list[list[int]]
    logits: list[Tensor]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def take_reference(model: Any) -> Reference:
    """Run the untouched model on the probe texts. Raises: BaseRefusedError if it looks ahead."""
    texts = _choose_texts(model)
    with _explained():
        _check_looks_back_only(model, texts[0])
        logits = [model(_row(text, model), use_cache=False).logits[0, -STEPS - 1 :].float() for text in texts]
    return Reference(texts, logits)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def compare(
    runner: ModelRunner, reference: Reference, *, only_rounds: bool = False, measure: Measure | None = None
) -> float:
    """Run the probe texts as serving does and return the typical error, as `measure` tells it (`measure_error`).
    `only_rounds`: the same weights were compared in 32 bits and were right, so that in 16 bits rounding alone can be
    what is seen.

    Raises: BaseRefusedError when the errors are larger than allowed, or the model cannot be run in a batch.
    """
    count = min(runner.cache.slots, len(reference.texts))
    texts, expected = reference.texts[:count], reference.logits[:count]
    nobody = [None] * count
    prompts = [text[:-STEPS] for text in texts]
    with _explained():
        found = [runner.run(0, prompts, [0] * count, nobody)]
        for step in range(STEPS):
            starts = [len(prompt) + step for prompt in prompts]
            tokens = [[text[start]] for text, start in zip(texts, starts, strict=True)]
            found.append(runner.run(0, tokens, starts, nobody))
        runner.cache.reset()
    measure = measure or measure_error
    errors = [measure(logits[row], expected[row][step]) for step, logits in enumerate(found) for row in range(count)]
    return _judge(errors, runner.dtype, only_rounds=only_rounds)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the library makes of a model that the engine cannot drive into a refusal."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BaseRefusedError(
            "The device has no memory left to try the model: lower STORYMILL_ENGINE_MAX_BATCH_SIZE or choose another."
        ) from error
    except (ValueError, RuntimeError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise BaseRefusedError(
            f"The engine cannot run this architecture in a batch ({' '.join(str(error).split())[:200]}): "
            "serve it elsewhere."
        ) from error


def _judge(errors: Sequence[float], dtype: torch.dtype, *, only_rounds: bool) -> float:
    typical, largest = sorted(errors)[len(errors) // 2], max(errors)
    if dtype in LARGEST_ERROR:
        allowed = most = LARGEST_ERROR[dtype]
    elif only_rounds:
        allowed, most = HALF_WAY, UNRELATED_ERROR
    else:
        allowed, most = TYPICAL_ROUNDED_ERROR, LARGEST_ROUNDED_ERROR
    if typical > allowed or largest > most:
        raise BaseRefusedError(
            f"The engine does not compute this model rightly: its logits are {typical:.3g} (at most {largest:.3g}) of "
            f"their spread away from a plain forward pass, where {allowed:g} is allowed: serve it elsewhere."
        )
    return typical


def measure_error(found: Tensor, expected: Tensor) -> float:
    """Return how far logits are from those that were expected, in units of the spread of these; infinite for what is no
    number."""
    centred = expected - expected.mean()
    error = float((found.to(expected.device) - expected).norm() / centred.norm().clamp(min=1e-12))
    return error if math.isfinite(error) else math.inf


def _check_looks_back_only(model: Any, text: list[int]) -> None:
    other = [*text[:-1], _other_token(text[-1])]
    one, two = (model(_row(tokens, model), use_cache=False).logits[0, :-1].float() for tokens in (text, other))
    if not torch.isfinite(one).all():
        raise BaseRefusedError("The model's logits are not finite numbers: its weights are damaged; copy it again.")
    errors = [measure_error(first, second) for first, second in zip(one, two, strict=True)]
    if sorted(errors)[len(errors) // 2] > TYPICAL_ROUNDED_ERROR / 10:
        raise BaseRefusedError(
            "The model looks at the words to come as well, so it cannot write from left to right: "
            "choose a causal language model."
        )


def _other_token(token: int) -> int:
    return token - 1 if token > 0 else 1


def _choose_texts(model: Any) -> list[list[int]]:
    """Token ids without meaning, the same for every run: of one, of a few tokens, and of more than a short window."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None) or 0
    longest = 24 if window > LONGEST_CROSSED_WINDOW else max(24, window + 8)
    longest = min(longest + STEPS, find_longest_positions(model.config) or longest + STEPS)
    source = random.Random(7)  # noqa: S311 not for secrets
    return [[source.randrange(config.vocab_size) for _ in range(length)] for length in (longest, STEPS + 1, STEPS + 9)]


def _row(tokens: list[int], model: Any) -> Tensor:
    return torch.tensor([tokens], device=model.device)
