"""The interface as it is told to machines: every route with its errors in their one shape, none that never comes."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

REF_TEMPLATE: Final = "#/components/schemas/{model}"
SERIALIZATION: Final[JsonSchemaMode] = "serialization"
NEVER_ANSWERED: Final = "422"
"""FastAPI declares it wherever something is read; here such a request is a 400."""
ERRORS: Final = {
    "400": "The request cannot be carried out as it is; `param` names the field.",
    "401": "No key, or one that is unknown or revoked.",
    "403": "The key lacks a scope.",
    "404": "Not in this project.",
    "408": "The request did not come to its end in time.",
    "413": "The body is too large.",
    "429": "Too much at once: come back after `retry-after`.",
    "431": "The request's head is too large.",
    "500": "A defect of the server.",
    "502": "The provider failed.",
    "503": "A store is away.",
    "504": "Not finished in time.",
}
OPEN_TAG: Final = "operations"
OPEN_ERRORS: Final = ("400", "408", "429", "431", "500", "503")
"""What routes may answer that ask for neither key nor session."""


class InnerError(BaseModel):
    """What went wrong, and what to do."""

    message: str = Field(examples=["The model 'nobody' does not exist."])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(examples=["model"])
    code: str | None = Field(examples=["model_not_found"])


class ErrorAnswer(BaseModel):
    """The body of every error."""

    error: InnerError


def describe_api(app: FastAPI, event_models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the OpenAPI document of an application, made once. `event_models` are what its streams tell."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=app.openapi_tags
        )
        schemas = document["components"]["schemas"]
        models: list[type[BaseModel]] = [ErrorAnswer, *event_models]
        told = [(model, SERIALIZATION) for model in models]
        schemas |= models_json_schema(told, ref_template=REF_TEMPLATE)[1]["$defs"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operation in list_operations(document):
            declare_errors(operation)
            put_json_first(operation)
        app.openapi_schema = document
    return app.openapi_schema


def list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every operation of a document."""
    for path in document["paths"].values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))


def declare_errors(operation: dict[str, Any]) -> None:
    """Put the errors that a route answers beside what it declares itself, and take away those that never come."""
    answers = operation["responses"]
    answers.pop(NEVER_ANSWERED, None)
    content = {"application/json": {"schema": {"$ref": REF_TEMPLATE.format(model=ErrorAnswer.__name__)}}}
    is_open = OPEN_TAG in operation["tags"] and not operation.get("security")
    statuses = OPEN_ERRORS if is_open else ERRORS
    for status in statuses:
        answers.setdefault(status, {"description": ERRORS[status], "content": content})


def put_json_first(operation: dict[str, Any]) -> None:
    """Let JSON stand before streams and files: makers of clients take the first content that they can read."""
    for answer in operation["responses"].values():
        if "content" in answer:
            answer["content"] = dict(sorted(answer["content"].items(), key=lambda pair: pair[0] != "application/json"))
