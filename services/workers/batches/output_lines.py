"""What became of one request, as a line of the output or of the error file: OpenAI's form."""

from typing import Any, Final

import orjson

from shared.clock import unix_seconds, utc_now
from shared.contracts.batches import ENDPOINT_KINDS
from shared.contracts.kept_errors import STATUS, show_error
from shared.contracts.statuses import STORY
from shared.contracts.whole_choices import shape_chat_choice, shape_text_choice
from shared.ids import STORY as STORY_PREFIX
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.batch_claims import BatchClaim
from shared.stores.db.repositories.batch_lines import BatchLine

SUCCEEDED: Final = "succeeded"
NEVER_ASKED: Final = {
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
}


def encode_line(claim: BatchClaim, line: BatchLine, ending: str) -> bytes:
    """Return a line of a file. `ending`: the batch's final status, which says why a request was never executed."""
    unique = line.id.removeprefix(STORY_PREFIX)
    answer = line.answer or {}
    if line.status == SUCCEEDED:
        response, error = shape_response(unique, answer, 200, shape_body(claim, line, unique)), None
    elif line.status in STORY.final and line.status != "cancelled":
        kept = answer.get("error") or describe_failure(line)
        response, error = shape_response(unique, answer, kept.get(STATUS, 500), {"error": show_error(kept)}), None
    else:
        code, message = NEVER_ASKED.get(ending, NEVER_ASKED["expired"])
        response, error = None, {"code": code, "message": message}
    whole = {"id": f"batch_req_{unique}", "custom_id": line.custom_id, "response": response, "error": error}
    return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def shape_response(unique: str, answer: dict[str, Any], status: int, body: dict[str, Any]) -> dict[str, Any]:
    """Return a request's `response`."""
    return {"status_code": status, "request_id": answer.get("request_id") or f"req_{unique}", "body": body}


def shape_body(claim: BatchClaim, line: BatchLine, unique: str) -> dict[str, Any]:
    """Return the answer as its endpoint would have given it."""
    is_chat = ENDPOINT_KINDS[claim.endpoint] == "chat"
    shape = shape_chat_choice if is_chat else shape_text_choice
    return {
        "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{unique}",
        "object": "chat.completion" if is_chat else "text_completion",
        "created": unix_seconds(line.finished_at or utc_now()),
        "model": claim.model,
        "choices": [shape(0, line.text, (line.answer or {}).get("beside") or {}, line.finish_reason)],
        "usage": shape_usage(line),
    }


def shape_usage(line: BatchLine) -> dict[str, Any] | None:
    """Return the tokens of one answer; None where the provider did not count."""
    if line.prompt_tokens is None or line.completion_tokens is None:
        return None
    cached = (line.answer or {}).get("cached_tokens")
    return {
        "prompt_tokens": line.prompt_tokens,
        "completion_tokens": line.completion_tokens,
        "total_tokens": line.prompt_tokens + line.completion_tokens,
        **({"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}),
    }


def describe_failure(line: BatchLine) -> dict[str, Any]:
    """Return the error of a request that failed without a word of the provider's."""
    failure_class = FailureClass(line.failure_class or FailureClass.INTERNAL_ERROR)
    return LlmError(failure_class, line.failure_message or "The request failed.").client_error()
