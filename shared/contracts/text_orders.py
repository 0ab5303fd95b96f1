"""What the request of an interactive text says to the workers, beside the body that goes to the provider."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

MOST_CALLS: Final = "storymill_most_calls"
"""How many calls it may cost, whatever they bring; without it the workers' own bounds count."""


def ask_whole(bodies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return bodies of texts that nobody watches come: each is asked for as a whole."""
    return [{**body, "stream": False} for body in bodies]


def is_asked_whole(request: Mapping[str, Any]) -> bool:
    """Say whether a text is asked for as a whole."""
    return request.get("stream") is False


def limit_calls(calls: int) -> dict[str, Any]:
    """Return the order to make so many calls at most."""
    return {MOST_CALLS: calls}


def may_be_called_again(request: Mapping[str, Any], calls: int) -> bool:
    """Say whether a text may be asked for once more after so many calls."""
    most = request.get(MOST_CALLS)
    return not isinstance(most, int) or calls < most


def strip_orders(request: Mapping[str, Any], *, must_stream: bool = False) -> dict[str, Any]:
    """Return the body for the provider; its client reads `stream` as `is_asked_whole` does."""
    ours = {MOST_CALLS, "stream"} if must_stream else {MOST_CALLS}
    return {name: value for name, value in request.items() if name not in ours}
