"""The response object: what was asked, told again, and what has come of it."""

from typing import Any, Final

from services.gateway.interactive.failures import describe_failure
from services.gateway.interactive.relay import weave
from services.gateway.responses.output_items import COMPLETED, OutputItems
from services.gateway.responses.schemas import ResponseRequest
from shared import ids
from shared.clock import unix_seconds
from shared.contracts.stream.placed import place_all
from shared.http.answers import Json
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import told_of, usage_of
from shared.texts.finish_reasons import Ending

INCOMPLETE: Final = {Ending.LENGTH: "max_output_tokens", Ending.FILTERED: "content_filter"}
"""Why a text that came to an end is not whole, by its finish reason."""
STATUSES: Final = {"queued": "queued", "running": "in_progress", "failed": "failed", "cancelled": "cancelled"}
CODES: Final = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}
"""OpenAI's codes of a failed response by the type of the error; others are `server_error`."""
RESTARTED: Final = "restarted"
OWN_CODES: Final = frozenset({RESTARTED, "cancelled"})
"""What OpenAI has no code for."""
DEFAULTS: Final[Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response says of what its request left out."""


def echo_request(body: ResponseRequest) -> Json:
    """Return what a response tells again of its request."""
    given = body.model_dump(include=set(DEFAULTS), exclude_none=True)
    asked_format = body.text.format if body.text else None
    told: Json = {**DEFAULTS, **given, "background": bool(body.background)}
    told["reasoning"] = {"effort": body.reasoning.effort if body.reasoning else None, "summary": None}
    told["text"] = {"format": asked_format.model_dump(exclude_none=True) if asked_format else {"type": "text"}}
    if body.text and body.text.verbosity:
        told["text"]["verbosity"] = body.text.verbosity
    return told


def unique_of(request_id: str) -> str:
    """Return what the ids of a response and its items are made of."""
    return request_id.removeprefix(ids.REQUEST)


def shape_response(echo: Json, row: Completion) -> Json:
    """Return the response of a row; its output is told once the row is over."""
    is_open = row.finished_at is None
    status = tell_status(row)
    reason = INCOMPLETE.get(Ending(row.finish_reason)) if status == "incomplete" and row.finish_reason else None
    return {
        **shape_begun(echo, row.request_id, row.model, unix_seconds(row.created_at), status),
        **(told_of(row) or {}),
        "completed_at": unix_seconds(row.finished_at) if row.finished_at and status == COMPLETED else None,
        "error": tell_error(row),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [] if is_open else read_output(row),
        "usage": shape_usage(usage_of(row)),
    }


def shape_begun(echo: Json, request_id: str, model: str, created_at: int, status: str) -> Json:
    """Return a response of which nothing has come yet."""
    return {
        "id": ids.RESPONSE + unique_of(request_id),
        "object": "response",
        "created_at": created_at,
        "status": status,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        **echo,
    }


def tell_status(row: Completion) -> str:
    """Return OpenAI's word for a row's status."""
    if row.status != "succeeded":
        return STATUSES[row.status]
    return "incomplete" if row.finish_reason in set(INCOMPLETE) else COMPLETED


def tell_error(row: Completion) -> Json | None:
    """Return why nothing came of a row, if so."""
    return shape_error(describe_failure(row)[1]) if row.status == "failed" else None


def shape_error(error: Json) -> Json:
    """Return a response's error of an inner error object, with one of the codes that responses have."""
    code = error["code"] if error["code"] in OWN_CODES else CODES.get(error["type"], "server_error")
    return {**error, "code": code}


def read_output(row: Completion) -> list[Json]:
    """Return the output items of a row that is over."""
    output = OutputItems(unique_of(row.request_id))
    extra = row.extra or {}
    beside = place_all(extra.get("deltas", ()), extra.get("at", ()), len(row.text))
    for text, fields in weave(row.text, 0, beside):
        for _ in output.take(text, fields):
            pass
    for _ in output.finish(item_status(tell_status(row))):
        pass
    return output.items


def item_status(status: str) -> str:
    """Return the status of a response's last item."""
    return COMPLETED if status == COMPLETED else "incomplete"


def shape_usage(usage: Json | None) -> Json | None:
    """Return a chat's usage as a response has it, None where nobody counted. A part that the provider does not tell is
    0: OpenAI's clients want numbers here."""
    if usage is None:
        return None
    prompt: dict[str, Any] = usage.get("prompt_tokens_details", {})
    completion: dict[str, Any] = usage.get("completion_tokens_details", {})
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **prompt},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0, **completion},
        "total_tokens": usage["total_tokens"],
    }
