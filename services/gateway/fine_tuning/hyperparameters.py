"""Hyperparameters of a job: numbers within bounds, or `auto`."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from services.gateway.http.request_body import to_whole

MOST_EPOCHS: Final = 50
LARGEST_BATCH: Final = 256
AUTO: Final = "auto"
Auto = Literal["auto"]


def check_whole(most: int) -> Callable[[Any], int | Auto | None]:
    """Return a check for whole numbers from 1."""

    def check(given: Any) -> int | Auto | None:
        value = to_whole(given)
        if value is None or value == AUTO:
            return AUTO if value else None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"give 'auto' or a whole number from 1 to {most}")
        return value

    return check


def check_number(*, above: float = -math.inf, at_least: float = -math.inf, at_most: float = math.inf) -> Any:
    """Return a check for numbers within bounds."""
    lower = f"over {above:g}" if math.isfinite(above) else f"from {at_least:g}"
    upper = f" up to {at_most:g}" if math.isfinite(at_most) else ""

    def check(value: Any) -> float | Auto | None:
        if value is None or value == AUTO:
            return AUTO if value else None
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not (value > above and at_least <= value <= at_most):
            raise ValueError(f"give 'auto' or a number {lower}{upper}")
        return float(value)

    return check


def schema_of(kind: str, **bounds: float) -> WithJsonSchema:
    """Return what OpenAPI shows."""
    return WithJsonSchema({"anyOf": [{"const": AUTO}, {"type": kind, **bounds}, {"type": "null"}]})


Epochs = Annotated[
    int | Auto | None, PlainValidator(check_whole(MOST_EPOCHS)), schema_of("integer", minimum=1, maximum=MOST_EPOCHS)
]
BatchSize = Annotated[
    int | Auto | None,
    PlainValidator(check_whole(LARGEST_BATCH)),
    schema_of("integer", minimum=1, maximum=LARGEST_BATCH),
]
Multiplier = Annotated[
    float | Auto | None, PlainValidator(check_number(above=0)), schema_of("number", exclusiveMinimum=0)
]
LossWeight = Annotated[
    float | Auto | None, PlainValidator(check_number(at_least=0, at_most=1)), schema_of("number", minimum=0, maximum=1)
]
Beta = Annotated[
    float | Auto | None,
    PlainValidator(check_number(above=0, at_most=2)),
    schema_of("number", exclusiveMinimum=0, maximum=2),
]


class Hyperparameters(BaseModel):
    """What every method has. `prompt_loss_weight` is of 2023."""

    model_config = ConfigDict(extra="forbid")

    n_epochs: Epochs = None
    batch_size: BatchSize = None
    learning_rate_multiplier: Multiplier = None
    prompt_loss_weight: LossWeight = None

    def settle(self) -> dict[str, Any]:
        """Return what goes into the job: OpenAI's three always, the rest if given."""
        usual: dict[str, Any] = {"n_epochs": AUTO, "batch_size": AUTO, "learning_rate_multiplier": AUTO}
        return usual | self.model_dump(exclude_none=True)


class PreferenceHyperparameters(Hyperparameters):
    """With the weight that holds a preference-tuned model to its base."""

    beta: Beta = None
