"""What can go wrong with a job, and how often each cause is tried again. For the steps and for who runs them."""

from dataclasses import dataclass
from typing import Any, Final

from shared.outside.providers.failures import FailureClass, LlmError

FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 60.0
MOST_TRIES: Final = 120
"""About two hours at the longest delay: a provider's bad day costs no job."""
MOST_TRIES_OF: Final = {
    "server_error": 40,
    "malformed": 20,
    "no_model": 4,
    "upstream_job_lost": 5,
    "result_file_late": 5,
    "internal_error": 5,
}
"""By code. A job that is not there, a model that is not named: a provider may need seconds to know, not hours."""


PROVIDER_UNKNOWN: Final = "provider_unknown"
WORKER_LOST: Final = "worker_lost"


class JobFailedError(Exception):
    """The job cannot go on; code, message and param are what its owner sees. `details` become an event each."""

    def __init__(self, code: str, message: str, *, param: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message, "param": param}
        self.details = details


class NotYetError(Exception):
    """The provider is not so far, or says nonsense: the step is tried again, up to a number of times for `code`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class NextTry:
    """What follows from a failure: wait and try again, or give the job up."""

    code: str
    message: str
    delay_seconds: float | None
    """None: give up."""
    param: str | None = None


def decide_next_try(error: Exception, tries: int) -> NextTry:
    """Return what follows from the failure number `tries` in a row of a step."""
    code, message, retryable, floor, param = read_failure(error)
    if not retryable or tries >= MOST_TRIES_OF.get(code, MOST_TRIES):
        return NextTry(code, message, None, param)
    delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(tries - 1, 10))
    return NextTry(code, message, max(delay, floor), param)


def read_failure(error: Exception) -> tuple[str, str, bool, float, str | None]:
    """Return a failure's code, message, whether time may cure it, the shortest wait, and the parameter to blame."""
    if isinstance(error, NotYetError):
        return error.code, str(error), True, 0.0, None
    if isinstance(error, LlmError):
        code = str(error.failure_class)
        if not error.failure_class.retryable and error.code not in {None, error.default_code}:
            code = str(error.code)
        return code, error.message, error.failure_class.retryable, error.retry_after_seconds or 0.0, error.param
    return "internal_error", f"A defect of this service: {type(error).__name__}.", True, 0.0, None


def is_gone(error: LlmError) -> bool:
    """Say whether the provider does not know the thing asked for."""
    return error.failure_class is FailureClass.NOT_FOUND
