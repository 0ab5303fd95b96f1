"""Bodies are read strictly, and a whole number is whole however it is spelled."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from services.gateway.app import ROUTERS
from services.gateway.chat.schemas import ChatRequest
from services.gateway.completions.schemas import CompletionRequest
from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.http.request_body import RequestBody
from services.gateway.responses.schemas import ResponseRequest

MESSAGES = [{"role": "user", "content": "唐"}]
READ_LOOSELY = {"CallSize", "RoiRequest", "Hyperparameters", "PreferenceHyperparameters"}
"""The first two take prices as texts too, the others have checks of their own."""


@pytest.mark.parametrize(
    ("body", "given", "read"),
    [
        (ChatRequest, {"messages": MESSAGES, "max_tokens": 20.0}, 20),
        (ChatRequest, {"messages": MESSAGES, "seed": -3.0}, -3),
        (ResponseRequest, {"max_output_tokens": 20.0}, 20),
        (CompletionRequest, {"prompt": [5.0, 6]}, [5, 6]),
        (CompletionRequest, {"prompt": [[5.0], [6]]}, [[5], [6]]),
        (JobRequest, {"model": "m", "training_file": "f", "hyperparameters": {"n_epochs": 2.0}}, {"n_epochs": 2}),
    ],
)
def test_a_whole_float_is_an_integer(body: type[BaseModel], given: dict[str, Any], read: Any) -> None:
    told = body.model_validate(given).model_dump(exclude_unset=True)[list(given)[-1]]
    assert (told, str(told)) == (read, str(read))


@pytest.mark.parametrize("value", [20.5, "20", True, 1e300, 2.0**60, float("inf"), float("nan")])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    for given in ({"max_tokens": value}, {"seed": value}):
        with pytest.raises(ValidationError, match="valid integer"):
            ChatRequest.model_validate({"messages": MESSAGES, **given})


def test_bounds_hold_for_floats_too() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ChatRequest.model_validate({"messages": MESSAGES, "n": 0.0})


def test_every_body_is_read_this_way() -> None:
    bodies = {body for router in ROUTERS for route in router.routes for body in find_bodies(route)}
    assert len(bodies) > 20
    assert {body.__name__ for body in bodies if not issubclass(body, RequestBody)} == READ_LOOSELY & {
        body.__name__ for body in bodies
    }


def find_bodies(route: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a route's body is read as, and those within."""
    if isinstance(route, APIRoute) and route.body_field is not None:
        yield from find_models(route.body_field.field_info.annotation)


def find_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from find_models(field.annotation)
    for part in get_args(annotation):
        yield from find_models(part)
