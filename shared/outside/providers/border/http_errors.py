"""The provider's error answers, read into failure classes: statuses, error bodies, waiting times."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.contracts.storable import cut_text, decode_text
from shared.outside.providers.border.credit import speaks_of_credit
from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, find_text, spell_value
from shared.outside.providers.border.json_values import read_json
from shared.outside.providers.border.safety import speaks_of_safety
from shared.outside.providers.border.stated_limits import speaks_of_one_model
from shared.outside.providers.border.waits import find_wait
from shared.outside.providers.failures import LONGEST_MESSAGE_CHARACTERS, FailureClass, LlmError

SHOWN_BODY_CHARACTERS = 300
MOST_BODY_BYTES = 4 * SHOWN_BODY_CHARACTERS

CLASS_OF_STATUS = {
    401: FailureClass.AUTHENTICATION,
    403: FailureClass.AUTHENTICATION,
    404: FailureClass.NOT_FOUND,
    408: FailureClass.TIMEOUT,
    409: FailureClass.SERVER_ERROR,
    413: FailureClass.INVALID_REQUEST,
    424: FailureClass.SERVER_ERROR,
    425: FailureClass.SERVER_ERROR,
    429: FailureClass.RATE_LIMITED,
    498: FailureClass.SERVER_ERROR,
    499: FailureClass.SERVER_ERROR,
    504: FailureClass.TIMEOUT,
}
"""424: a server behind failed (Hugging Face). 498: no capacity just now (Groq). 499: something on the way hung up."""
CLASS_OF_CODE = {
    "rate_limit_exceeded": FailureClass.RATE_LIMITED,
    "model_not_found": FailureClass.NOT_FOUND,
    "server_error": FailureClass.SERVER_ERROR,
    "invalid_api_key": FailureClass.AUTHENTICATION,
    "ThrottlingException": FailureClass.RATE_LIMITED,
}
CLASS_OF_TYPE = {
    "invalid_request_error": FailureClass.INVALID_REQUEST,
    "rate_limit_error": FailureClass.RATE_LIMITED,
    "authentication_error": FailureClass.AUTHENTICATION,
}

KEY_WORDS: Final = re.compile(
    r"api[ _-]?key (?:is )?(?:not valid|invalid|incorrect|expired)|(?:invalid|incorrect|expired) api[ _-]?key",
    re.IGNORECASE,
)
"""Of a 400 that is about the key: `API key not valid. Please pass a valid API key.` (Gemini)."""
TOO_LARGE: Final = 413
TOO_MANY: Final = 429
NEVER_FITS: Final = re.compile(r"request too large.{0,400}(?:must be reduced|reduce your)", re.IGNORECASE | re.DOTALL)
"""Of a 429 for one request that is larger than a minute's limit (OpenAI): no wait cures it."""
PAGE_STATUSES: Final = frozenset({400, 404, 405, 406, 410})
"""With a page in place of an error object: what was asked did not reach the provider's program, but something before
it. A firewall's 403 may be the key's, and a 413 is about the request's size whoever says it."""
PAGE_BEGINNINGS: Final = (b"<!doctype html", b"<html", b"<head", b"<?xml")
READ_CHARACTERS: Final = 2_000


def error_from_response(status: int, raw: bytes, headers: Mapping[str, str]) -> LlmError:
    """Return the error for an answer whose status is not 200; the body may be anything."""
    error = error_from_body(status, find_error_body(raw), headers)
    if 300 <= status < 400 and (target := headers.get("location")):
        error.message = cut_text(f"{error.message}; it leads to {target}", LONGEST_MESSAGE_CHARACTERS)
    if status in PAGE_STATUSES and is_page(raw) and error.failure_class is not FailureClass.QUOTA_EXHAUSTED:
        error.failure_class = FailureClass.SERVER_ERROR
    return error


def is_page(raw: bytes) -> bool:
    """Say whether a body is a page for people: of a gateway, a firewall, a hotel."""
    return raw[:MOST_BODY_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGE_BEGINNINGS)


def find_error_body(raw: bytes) -> dict[str, Any]:
    """Return the body of an error answer: its object, the first of its array, or its text as a message."""
    try:
        body = read_json(raw)
    except LlmError:
        body = None
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        return body
    shown = cut_text(decode_text(raw[:MOST_BODY_BYTES]).strip(), SHOWN_BODY_CHARACTERS)
    return {"error": {"message": shown or "the body is empty"}}


def error_from_body(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> LlmError:
    """Return the error for an OpenAI error body (`error` may be a string, and stand in a stream with status 200)."""
    inner = body.get("error", body)
    if not isinstance(inner, Mapping):
        inner = {"message": inner}
    code, kind = inner.get("code"), inner.get("type")
    message = find_message(inner, body)
    meant = find_meant_status(status, code, message)
    wait_seconds = find_wait(meant, headers, body, message)
    if speaks_of_credit(meant, code, kind, message, wait_seconds):
        failure_class = FailureClass.QUOTA_EXHAUSTED
    elif speaks_of_safety(meant, inner, message):
        failure_class = FailureClass.CONTENT_FILTER
    else:
        failure_class = classify(meant, code or inner.get("__type"), kind, message)
    return LlmError(
        failure_class,
        f"the provider answered {status}: {message}" if status != 200 else f"the provider reported: {message}",
        status=status,
        code=spell_value(code, LONGEST_NAME_CHARACTERS),
        param=find_text(inner, "param"),
        retry_after_seconds=wait_seconds,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        is_of_one_model=speaks_of_one_model(inner, message),
    )


def find_message(inner: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """Return the words of an error, wherever they stand and whatever they are."""
    told = inner.get("message") or body.get("message") or body.get("detail") or body.get("Message")
    told = told or body.get("errors")  # AWS; Cloudflare
    return spell_value(told, LONGEST_MESSAGE_CHARACTERS) or "no message"


def find_meant_status(status: int, code: object, message: str) -> int:
    """Return the status that an error means: the code of one that came with 200 is often the status of another server
    behind, and a 429 may say that the request will never fit."""
    if status == TOO_MANY and NEVER_FITS.search(message, 0, READ_CHARACTERS):
        return TOO_LARGE
    number = int(code) if isinstance(code, str) and len(code) == 3 and code.isdecimal() else code
    is_status = status == 200 and isinstance(number, int) and 400 <= number < 600
    return number if is_status and isinstance(number, int) else status


def classify(status: int, code: object, kind: object, message: str) -> FailureClass:
    """Return the class of an error answer: its code says more than its status, its type less."""
    if status == 400 and KEY_WORDS.search(message, 0, READ_CHARACTERS):
        return FailureClass.AUTHENTICATION
    if isinstance(code, str) and code in CLASS_OF_CODE and (status < 500 or status == 529) and status != TOO_LARGE:
        return CLASS_OF_CODE[code]
    if status in CLASS_OF_STATUS:
        return CLASS_OF_STATUS[status]
    if status >= 500:
        return FailureClass.SERVER_ERROR
    if status == 200:  # an error object in the middle of a stream
        return (
            CLASS_OF_TYPE.get(kind, FailureClass.SERVER_ERROR) if isinstance(kind, str) else FailureClass.SERVER_ERROR
        )
    # A redirect is not followed: a login or another address stands where the provider was.
    return FailureClass.INVALID_REQUEST if status >= 400 else FailureClass.SERVER_ERROR
