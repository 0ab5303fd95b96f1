"""A chat line seen as prompt and completion, for checks, counts and repairs. Never fails on broken lines."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shared.texts.chat_message import learned_text


def chat_texts(value: dict[str, Any]) -> tuple[str, str]:
    """(everything before the last assistant turn, that turn's text); texts are "" where the line has none."""
    messages = value.get("messages")
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    last = next((i for i in range(len(turns) - 1, -1, -1) if turns[i].get("role") == "assistant"), None)
    before = turns if last is None else turns[:last]
    completion = "" if last is None else learned_text(turns[last])
    return "\n".join(learned_text(turn) for turn in before), completion


def repair_record(record: str, fields: Sequence[str], repair: Callable[[str], str]) -> str:
    """Repair the texts of a chat line: what the assistant says where `completion` is among the fields, what the others
    say where `prompt` is."""
    value = orjson.loads(record)
    messages = value.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        if ("completion" if message.get("role") == "assistant" else "prompt") not in fields:
            continue
        content = message.get("content")
        if isinstance(content, str):
            message["content"] = repair(content)
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                part["text"] = repair(part["text"])
    return orjson.dumps(value).decode()
