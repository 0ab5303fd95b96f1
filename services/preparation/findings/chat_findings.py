"""The checks of chat lines: those of the providers' cookbooks, and the order of turns, tools and weights."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson

from services.preparation.findings.board import MarkBoard
from services.preparation.findings.chat_tools import tool_problems
from services.preparation.rows.row_batches import RowBatch
from shared.texts.chat_message import message_text
from shared.texts.training_rows import find_refusal

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"}
)
LINE_KEYS = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
# Whatever training refuses has one of these; the finding says it in training's words.
REFUSED = frozenset(
    {
        *("chat_missing_messages", "chat_message_not_an_object", "chat_unknown_role", "chat_missing_content"),
        *("chat_content_not_text", "chat_no_assistant", "chat_tool_schema", "chat_bad_weight"),
    }
)
SYSTEM_ROLES = frozenset({"system", "developer"})
# Nearly all rows have (or lack) a system message: the others stand out.
SYSTEM_SHARE = 0.9
ROWS_FOR_SHARES = 20


class ChatWatch:
    """Fed batch by batch; rows without a record are not chat and are passed over."""

    def __init__(self, board: MarkBoard) -> None:
        self._board = board
        self._with_system = 0
        self._total = 0
        self._without: list[int] = []

    def observe(self, batch: RowBatch) -> None:
        """Mark the broken lines of a batch."""
        for row_id, line, record in zip(batch.ids, batch.lines, batch.records, strict=True):
            if record:
                value = orjson.loads(record)
                self._mark(row_id, line, value)
                self._count_system(row_id, value)

    def _mark(self, row_id: int, line: int, value: dict[str, Any]) -> None:
        codes = set(line_problems(value))
        refusal = find_refusal(value) if codes & REFUSED else None
        for code in codes:
            self._board.mark(code, [row_id])
            if refusal and code in REFUSED:
                self._board.details.setdefault(code, f"line {line}: {refusal}")

    def conclude(self) -> None:
        """Mark rows that lack the system message that nearly all others have."""
        if self._total >= ROWS_FOR_SHARES and self._with_system >= SYSTEM_SHARE * self._total:
            self._board.mark("chat_system_differs", self._without)

    def _count_system(self, row_id: int, value: dict[str, Any]) -> None:
        messages = value.get("messages")
        self._total += 1
        if isinstance(messages, list) and any(_role(m) in SYSTEM_ROLES for m in messages):
            self._with_system += 1
        else:
            self._without.append(row_id)


def line_problems(value: dict[str, Any]) -> Iterator[str]:
    """The codes of everything wrong with one chat line."""
    if not value.keys() <= LINE_KEYS:
        yield "chat_unknown_key"
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "chat_missing_messages"
        return
    if not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages):
        yield "chat_message_not_an_object"
        return
    for message in messages:
        yield from _message_problems(message)
    yield from _order_problems([message["role"] for message in messages])
    if all(message.get("weight") == 0 for message in messages if message["role"] == "assistant"):
        yield "chat_no_assistant"
    yield from tool_problems(value, messages)


def _message_problems(message: dict[str, Any]) -> Iterator[str]:
    if not message.keys() <= MESSAGE_KEYS:
        yield "chat_unknown_key"
    if message["role"] not in ROLES:
        yield "chat_unknown_role"
    if _holds_other_parts(message.get("content")):
        yield "chat_content_not_text"
    calls = message.get("tool_calls") or message.get("function_call")
    if not message_text(message).strip() and not calls and message["role"] not in ("tool", "function"):
        yield "chat_missing_content"
    if "weight" in message and (message["weight"] not in (0, 1) or message["role"] != "assistant"):
        yield "chat_bad_weight"


def _holds_other_parts(content: object) -> bool:
    """Whether something else than text stands in a message: no door of the mill takes it."""
    parts = content if isinstance(content, list) else []
    return any(not isinstance(p, dict) or p.get("type", "text") != "text" for p in parts)


def _order_problems(roles: list[str]) -> Iterator[str]:
    if "assistant" not in roles:
        yield "chat_no_assistant"
    elif roles[-1] != "assistant":
        yield "chat_ends_without_assistant"
    turns = [role for role in roles if role not in SYSTEM_ROLES]
    system_late = any(role in SYSTEM_ROLES for role in roles[1:])
    starts_wrong = bool(turns) and turns[0] != "user"
    same_twice = any(a == b and a in ("user", "assistant") for a, b in itertools.pairwise(turns))
    if system_late or starts_wrong or same_twice:
        yield "chat_role_order"


def _role(message: object) -> object:
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) else None
