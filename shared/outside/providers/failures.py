"""Why an upstream call gave no usable text: one class per cause, and the error that carries it.

For the workers, who alone decide on retries. Knows nothing of HTTP libraries.
"""

from enum import StrEnum
from typing import Final, Self

from shared.contracts.kept_errors import RETRY_AFTER_SECONDS, STATUS
from shared.contracts.storable import cut_optional_text, cut_text
from shared.errors import UpstreamError

LONGEST_MESSAGE_CHARACTERS: Final = 2_000
"""A provider that says more is cut: rows, events and logs keep it."""
LONGEST_CODE_CHARACTERS: Final = 200
"""Of codes, parameters and the provider's ids."""


class FailureClass(StrEnum):
    """The causes; the value is what stands on rows (`failure_class`)."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    """A 429 that waiting does not cure: no credit left."""
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No connection was made, so nothing was sent."""
    CUT_CONNECTION = "cut_connection"
    """The answer broke off: the connection, a stream with neither finish reason nor `[DONE]`, or by its own word."""
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    """No visible text, whatever stands beside it."""
    TOOL_CALLS = "tool_calls"
    """A story was asked for, and the model waits for a tool."""
    RULE_BROKEN = "rule_broken"
    """A text came that the recipe's rules do not take."""
    MALFORMED = "malformed"
    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"
    """A defect of ours on the way; whether the call was sent, and paid, is not known."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self in RETRYABLE

    @property
    def may_be_charged(self) -> bool:
        """Whether the provider may bill a call that failed in this way."""
        return self not in NEVER_CHARGED


RETRYABLE: Final = frozenset(
    {
        FailureClass.RATE_LIMITED,
        FailureClass.SERVER_ERROR,
        FailureClass.TIMEOUT,
        FailureClass.UNREACHABLE,
        FailureClass.CUT_CONNECTION,
        FailureClass.EMPTY,
        FailureClass.MALFORMED,
    }
)
NEVER_CHARGED: Final = frozenset(
    {
        FailureClass.RATE_LIMITED,
        FailureClass.QUOTA_EXHAUSTED,
        FailureClass.SERVER_ERROR,
        FailureClass.UNREACHABLE,
        FailureClass.INVALID_REQUEST,
        FailureClass.AUTHENTICATION,
        FailureClass.NOT_FOUND,
    }
)

CLIENT_STATUS: Final = {
    FailureClass.RATE_LIMITED: 429,
    FailureClass.QUOTA_EXHAUSTED: 429,
    FailureClass.TIMEOUT: 504,
    FailureClass.CONTENT_FILTER: 400,
    FailureClass.INVALID_REQUEST: 400,
    FailureClass.NOT_FOUND: 404,
    FailureClass.INTERNAL_ERROR: 500,
}
"""What our client is answered; every other class is 502. The provider's 401 and 403 are the operator's affair,
and 409 and 503 send old clients into loops."""


GAVE_UP_WAITING: Final = 524
"""Cloudflare's, after 100 s without a byte."""
ACCOUNT_CODES: Final = {
    FailureClass.AUTHENTICATION: "provider_key_refused",
    FailureClass.QUOTA_EXHAUSTED: "insufficient_quota",
}


class LlmError(UpstreamError):
    """The provider gave no usable answer: {message}. What it holds can be stored, whoever said it."""

    def __init__(
        self,
        failure_class: FailureClass,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
        is_of_one_model: bool = False,
    ) -> None:
        super().__init__(
            cut_text(message, LONGEST_MESSAGE_CHARACTERS),
            param=cut_optional_text(param, LONGEST_CODE_CHARACTERS),
            code=cut_optional_text(code, LONGEST_CODE_CHARACTERS),
        )
        self.failure_class = failure_class
        self.upstream_status = status
        """The provider's HTTP status, if it answered at all."""
        self.retry_after_seconds = retry_after_seconds
        """A floor that the provider set for the next try."""
        self.is_of_one_model = is_of_one_model
        """Whether a limit is said to be a model's own, not the key's."""
        self.request_id = cut_optional_text(request_id, LONGEST_CODE_CHARACTERS)

    @classmethod
    def of_defect(cls, error: BaseException) -> Self:
        """Return the failure of a call that an exception of ours ended, which the log has whole."""
        return cls(FailureClass.INTERNAL_ERROR, f"A defect of this service: {type(error).__name__}.")

    @property
    def is_of_silence(self) -> bool:
        """Whether an answer may have been cut for being silent too long, by the provider or something on the way."""
        classes = (FailureClass.TIMEOUT, FailureClass.CUT_CONNECTION)
        return self.failure_class in classes or self.upstream_status == GAVE_UP_WAITING

    def client_error(self) -> dict[str, object]:
        """Return OpenAI's inner error object and what the answer's head needs, as `completion.error` keeps it."""
        status = CLIENT_STATUS.get(self.failure_class, 502)
        own_type = "invalid_request_error" if status in {400, 404} else "server_error"
        return {
            "message": self.message,
            "type": "rate_limit_error" if status == 429 else own_type,
            "param": self.param,
            "code": self._find_client_code(),
            STATUS: status,
            **({RETRY_AFTER_SECONDS: self.retry_after_seconds} if status == 429 and self.retry_after_seconds else {}),
        }

    def _find_client_code(self) -> str:
        """Return the code that our client sees: the provider's, but where it speaks of our account and not theirs."""
        if self.failure_class in ACCOUNT_CODES:
            return ACCOUNT_CODES[self.failure_class]
        return self.code if self.code and self.code != self.default_code else str(self.failure_class)
