"""The text of a chat message. Apart from the encodings, which take a third of a second to load."""

from typing import Any


def message_text(message: dict[str, Any]) -> str:
    """The text of one message: its content, or the text parts of it."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return ""
