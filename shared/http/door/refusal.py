"""What a door answers: OpenAI's error body with the bound and its setting, as bytes on the wire."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

RETRY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that closes the connection."""

    status: HTTPStatus
    code: str
    message: str

    @property
    def reason(self) -> str:
        """The word under which it is counted."""
        return self.code

    def encode(self) -> bytes:
        """Return the whole answer."""
        too_many = self.status == HTTPStatus.TOO_MANY_REQUESTS
        kind = "rate_limit_error" if too_many else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        body = json.dumps({"error": error}).encode()
        retry = f"retry-after: {RETRY_SECONDS}\r\nretry-after-ms: {RETRY_SECONDS * 1000}\r\n" if too_many else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
        )
        return head.encode() + body


def refuse_syntax() -> Refusal:
    """Return the refusal of what is no HTTP."""
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid_http", "The request is no valid HTTP.")


def refuse_head(what: str, most: int, setting: str) -> Refusal:
    """Return the refusal of a head that is too large."""
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        f"The request's head has more than {most} {what} ({setting}).",
    )


def refuse_slow(message: str, setting: str) -> Refusal:
    """Return the refusal of a request that does not come to its end in time."""
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", f"{message} ({setting}).")


def refuse_crowd(whose: str, most: int, setting: str) -> Refusal:
    """Return the refusal of one connection too many."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_connections",
        f"{whose} has {most} connections, the most allowed ({setting}). Close some, or come back later.",
    )
