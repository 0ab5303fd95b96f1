"""The error that a completion's row keeps: OpenAI's inner error object, and beside it what an answer's head needs."""

from collections.abc import Mapping
from typing import Any, Final

STATUS: Final = "status"
RETRY_AFTER_SECONDS: Final = "retry_after_seconds"
OF_THE_HEAD: Final = (STATUS, RETRY_AFTER_SECONDS)


def show_error(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the inner error object as clients see it; None without one."""
    return {name: value for name, value in kept.items() if name not in OF_THE_HEAD} if kept else None
