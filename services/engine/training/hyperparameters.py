"""Reads hyperparameters from a request and settles those left to `auto`."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from services.engine.whole_numbers import to_whole

Auto = Literal["auto"]

USUAL_EPOCHS = 4
"""One more than OpenAI takes: below some hundred examples a model of this size has not learned the pattern after 3.
Measured on the sample stories (docs/benchmarks/training.md)."""
FEWEST_EXAMPLES_SEEN = 100
"""Examples times epochs; one of the bounds that OpenAI published with its data checks, as the next two."""
MOST_EXAMPLES_SEEN = 25_000
MOST_AUTOMATIC_EPOCHS = 25
AUTOMATIC_BATCH_SHARE = 0.002
"""Of the examples: OpenAI's legacy default, with the bound below."""
LARGEST_AUTOMATIC_BATCH = 256

LARGEST_EPOCHS = 50
"""That a request may ask for."""
LARGEST_BATCH = 256
"""In examples, that a request may ask for."""


class HyperparameterError(Exception):
    """A hyperparameter is out of bounds or of the wrong type; `param` is its path in the request."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Hyperparameters:
    """What a run needs to know, settled. `beta` is used by preference tuning only."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    prompt_loss_weight: float = 0.0
    beta: float = 0.1


@dataclass(frozen=True)
class RequestedHyperparameters:
    """As asked for: numbers, or `auto`."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"
    prompt_loss_weight: float | Auto = "auto"
    beta: float | Auto = "auto"

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, in the order of the fields."""
        return asdict(self)


def parse_hyperparameters(values: Mapping[str, Any], path: str) -> RequestedHyperparameters:
    """Check the values found in a request at `path`; null means `auto`.

    Unknown names are refused: a run without what was asked for would look as if it had been done.
    Raises: HyperparameterError for such a name, and for a value out of bounds or of another type.
    """
    known = [one.name for one in fields(RequestedHyperparameters)]
    for name in values:
        if name not in known:
            raise HyperparameterError(f"{path}.{name}", f"{name} is not known here; known are: {', '.join(known)}")
    return RequestedHyperparameters(
        n_epochs=_whole_number(values, "n_epochs", path, LARGEST_EPOCHS),
        batch_size=_whole_number(values, "batch_size", path, LARGEST_BATCH),
        learning_rate_multiplier=_number(values, "learning_rate_multiplier", path, above=0.0),
        prompt_loss_weight=_number(values, "prompt_loss_weight", path, at_least=0.0, at_most=1.0),
        beta=_number(values, "beta", path, above=0.0, at_most=10.0),
    )


def settle(requested: RequestedHyperparameters, example_count: int) -> Hyperparameters:
    """Choose what was left to `auto` from the number of training examples."""
    return Hyperparameters(
        n_epochs=_or(requested.n_epochs, choose_epochs(example_count)),
        batch_size=_or(requested.batch_size, choose_batch_size(example_count)),
        learning_rate_multiplier=_or(requested.learning_rate_multiplier, 1.0),
        prompt_loss_weight=_or(requested.prompt_loss_weight, 0.0),
        beta=_or(requested.beta, 0.1),
    )


def choose_epochs(example_count: int) -> int:
    """The usual number, more where so few examples were seen too rarely, fewer where they are very many.

    The bounds are those that OpenAI published with its data checks.
    """
    if example_count * USUAL_EPOCHS < FEWEST_EXAMPLES_SEEN:
        return min(MOST_AUTOMATIC_EPOCHS, math.ceil(FEWEST_EXAMPLES_SEEN / max(1, example_count)))
    if example_count * USUAL_EPOCHS > MOST_EXAMPLES_SEEN:
        return max(1, MOST_EXAMPLES_SEEN // example_count)
    return USUAL_EPOCHS


def choose_batch_size(example_count: int) -> int:
    """A share of the examples, at least 1."""
    return max(1, min(LARGEST_AUTOMATIC_BATCH, round(example_count * AUTOMATIC_BATCH_SHARE)))


def _or(value: Any, chosen: Any) -> Any:
    return chosen if value == "auto" else value


def _whole_number(values: Mapping[str, Any], name: str, path: str, largest: int) -> int | Auto:
    value = to_whole(values.get(name))
    if value is None or value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        message = f"{name} must be 'auto' or a whole number from 1 to {largest}"
        raise HyperparameterError(f"{path}.{name}", message)
    return value


def _number(
    values: Mapping[str, Any],
    name: str,
    path: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float = math.inf,
) -> float | Auto:
    value = values.get(name)
    if value is None or value == "auto":
        return "auto"
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if good and (above is None or value > above) and (at_least is None or value >= at_least) and value <= at_most:
        return float(value)
    lower = f"greater than {above:g}" if above is not None else f"at least {at_least:g}"
    upper = "" if math.isinf(at_most) else f" and at most {at_most:g}"
    raise HyperparameterError(f"{path}.{name}", f"{name} must be 'auto' or a number {lower}{upper}")
