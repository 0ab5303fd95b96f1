"""A chat line seen as prompt and completion, for checks and counts that read text. Never fails on broken lines."""

from typing import Any

from shared.texts.chat_message import message_text


def chat_texts(value: dict[str, Any]) -> tuple[str, str]:
    """(everything before the last assistant turn, that turn's text); texts are "" where the line has none."""
    messages = value.get("messages")
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    last = next((i for i in range(len(turns) - 1, -1, -1) if turns[i].get("role") == "assistant"), None)
    before = turns if last is None else turns[:last]
    completion = "" if last is None else message_text(turns[last])
    return "\n".join(message_text(turn) for turn in before), completion
