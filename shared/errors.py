"""The one error tree. Each class carries the HTTP status, OpenAI's `type` and `code`, and whether a retry helps.

    StorymillError
    ├── InvalidRequestError        400   (also of one parameter)
    │   └── RequestTooLargeError   413
    ├── AuthenticationError        401
    ├── PermissionDeniedError      403
    ├── NotFoundError              404
    ├── ConflictError              400   never 409: clients retry that for ever
    ├── RateLimitedError           429   carries retry_after_seconds
    ├── UpstreamError              502   the provider failed; carries its failure class
    ├── DeadlineError              504   not finished within the time that we keep a request open
    └── ServiceUnavailableError    503   not on completion routes: they answer 429
        └── StoreAwayError         503   in shared/stores/away.py: Postgres cannot do it now

Knows nothing of FastAPI or Celery: gateway and workers translate.
"""

from typing import ClassVar, TypedDict


class ErrorBody(TypedDict):
    """The inner object of OpenAI's error body."""

    message: str
    type: str
    param: str | None
    code: str | None


class StorymillError(Exception):
    """Something went wrong that a client may see; the message says what to do."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code

    def body(self) -> dict[str, ErrorBody]:
        """Return OpenAI's `{"error": {...}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class InvalidRequestError(StorymillError):
    """The request cannot be carried out as written."""

    status = 400
    type = "invalid_request_error"


class RequestTooLargeError(InvalidRequestError):
    """The body is over the size limit."""

    status = 413
    default_code = "request_too_large"


class ConflictError(InvalidRequestError):
    """The request contradicts the present state (a finished run cannot be paused, a key was reused)."""

    default_code = "conflict"


class AuthenticationError(StorymillError):
    """The key is missing, malformed, unknown or revoked."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class PermissionDeniedError(StorymillError):
    """The key is good, but lacks the scope."""

    status = 403
    type = "invalid_request_error"
    default_code = "insufficient_permissions"


class NotFoundError(StorymillError):
    """No such thing in this project (another project's things answer the same)."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class RateLimitedError(StorymillError):
    """Too much at once; come back after `retry_after_seconds`."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    retryable = True

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class UpstreamError(StorymillError):
    """The model provider failed and its retries are used up."""

    status = 502
    type = "server_error"
    default_code = "upstream_error"
    retryable = True


class DeadlineError(StorymillError):
    """The work was not finished within the time that a request may take."""

    status = 504
    default_code = "deadline_exceeded"


class ServiceUnavailableError(StorymillError):
    """A store is out of reach."""

    status = 503
    default_code = "service_unavailable"
    retryable = True
