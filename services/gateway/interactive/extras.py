"""What an answer holds beside text (tool calls, log probabilities, refusal, reasoning), as its row keeps it."""

from typing import Any

from shared.outside.providers.border.merging import merge_deltas


def merge_extras(extra: dict[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a whole message from a row's `extra` (`{"deltas": [...]}`)."""
    return merge_deltas((extra or {}).get("deltas", ()))
