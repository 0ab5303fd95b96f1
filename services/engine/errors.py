"""The engine's errors and their one shape on every path: OpenAI's `{"error": {...}}`.

ApiError                    what a client is told; subclasses fix status and type
├── InvalidRequestError     400
│   └── ContextLengthExceededError
├── PermissionDeniedError   403
├── NotFoundError           404
│   ├── ModelNotFoundError
│   └── ModelUnavailableError
├── PayloadTooLargeError    413
├── OverloadedError         429, with Retry-After
└── ServerError             500
"""

from typing import ClassVar


class ApiError(Exception):
    """An answer other than success, as the client will read it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, object]:
        """The JSON body, complete with null fields as OpenAI sends them."""
        return error_body(self.message, self.type, self.param, self.code)


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """Build OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class InvalidRequestError(ApiError):
    """The request itself is wrong; sending it again will not help."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceededError(InvalidRequestError):
    """Prompt and answer together do not fit into the model's context."""

    def __init__(
        self, limit: int, prompt_tokens: int, answer_tokens: int, param: str, *, is_counted: bool = True
    ) -> None:
        """`is_counted`: whether the prompt was tokenised, or is too long whatever its tokens are."""
        least = "" if is_counted else "at least "
        super().__init__(
            f"This model's maximum context length is {limit} tokens. However, you requested "
            f"{least}{prompt_tokens + answer_tokens} tokens ({prompt_tokens} in the prompt, {answer_tokens} in the "
            "completion). Please reduce the length of the prompt or of the completion.",
            param=param,
            code="context_length_exceeded",
        )


class PermissionDeniedError(ApiError):
    """The thing exists but may not be changed."""

    status = 403
    type = "invalid_request_error"


class NotFoundError(ApiError):
    """There is no such thing, or no longer."""

    status = 404
    type = "invalid_request_error"


class ModelNotFoundError(NotFoundError):
    """No base model, alias or tuned model has this name."""

    def __init__(self, model_id: str) -> None:
        super().__init__(f"The model '{model_id}' does not exist", param="model", code="model_not_found")


class ModelUnavailableError(NotFoundError):
    """The model is known, but its base is not the one that is served."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, param="model", code="model_unavailable")


class PayloadTooLargeError(ApiError):
    """The body is over the limit."""

    status = 413
    type = "invalid_request_error"


class OverloadedError(ApiError):
    """No room now: 429 rather than 503, for which old clients give up."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, code: str, retry_after_seconds: float) -> None:
        super().__init__(message, code=code)
        self.headers = {
            "retry-after": str(max(1, round(retry_after_seconds))),
            "retry-after-ms": str(max(1, round(retry_after_seconds * 1000))),
        }


class ServerError(ApiError):
    """Our fault."""
