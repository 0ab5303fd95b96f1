"""What answers that are no JSON hold, as it is told to machines."""

from typing import Any, Final

ITEM: Final = "x-itemSchema"
"""OpenAPI 3.2 calls it `itemSchema`: what the data of each event is."""
TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}
BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
NOTHING_MORE: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": "Who has seen the end has seen everything."}
}


def events_of(model: str) -> dict[str, Any]:
    """Return the content of an answer that is told as server-sent events, each with such a model as its data; an error
    may be the last, and some streams end with `[DONE]`. The model is one of `EVENT_MODELS` of the application."""
    said = [{"$ref": f"#/components/schemas/{name}"} for name in (model, "ErrorAnswer")]
    return {"text/event-stream": {**TEXT, ITEM: {"anyOf": said}}}
