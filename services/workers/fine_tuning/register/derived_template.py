"""The template contract of a training file that no dataset preparation made: read off its rows."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.preparation.conversation.common_affix import CommonSuffix

CHAT: Final = {"format": "chat", "separator": None, "stop": None, "starts_with_space": False, "max_tokens": None}
FEWEST_ROWS: Final = 2
"""One row shares everything with itself: that is no contract."""
LONGEST_AFFIX_CHARACTERS: Final = 64
"""A longer common ending is text that all rows have, not a mark."""


def derive_template(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the contract that the rows of a training file keep: the ending that all prompts share, the one that all
    completions share, and whether completions begin with a space. None for rows of no known form."""
    prompts, completions = CommonSuffix(), CommonSuffix()
    with_space, count = True, 0
    for row in rows:
        prompt, completion = row.get("prompt"), row.get("completion")
        if not isinstance(prompt, str) or not isinstance(completion, str):
            return dict(CHAT) if is_chat(row) else None
        prompts.observe([prompt])
        completions.observe([completion])
        with_space = with_space and completion.startswith(" ")
        count += 1
    if not count:
        return None
    return {
        "format": "completion",
        "separator": find_mark(prompts, count),
        "stop": find_mark(completions, count),
        "starts_with_space": with_space,
        "max_tokens": None,
    }


def is_chat(row: Mapping[str, Any]) -> bool:
    """Say whether a row is a chat, or a pair of chats to prefer between."""
    return isinstance(row.get("messages"), list) or "preferred_output" in row


def find_mark(suffix: CommonSuffix, rows: int) -> str | None:
    """Return a common ending if it can be a mark."""
    text = suffix.text or ""
    return text if rows >= FEWEST_ROWS and 0 < len(text) <= LONGEST_AFFIX_CHARACTERS else None
