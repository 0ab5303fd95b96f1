"""From a chat request to one body per text, and from rows and events to OpenAI's objects."""

from collections.abc import Sequence
from typing import Any, Final

from services.gateway.chat.schemas import ChatRequest
from services.gateway.completions.schemas import provider_fields
from services.gateway.completions.service import choose_seed
from services.gateway.interactive.extras import merge_extras
from services.gateway.interactive.follow import Piece
from services.gateway.interactive.texts import OpenTexts
from services.gateway.interactive.usage import sum_usage
from shared.clock import unix_seconds
from shared.contracts.stream.frames import End
from shared.contracts.whole_choices import shape_chat_choice
from shared.http.answers import Json
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import told_of

OURS: Final = frozenset({"model", "messages", "n", "stream", "stream_options", "seed", "timeout"})
"""Fields that we carry out ourselves."""


def split_request(body: ChatRequest) -> list[dict[str, Any]]:
    """Return one provider body per text."""
    fields = provider_fields(body, OURS)
    messages = [message.model_dump(exclude_unset=True) for message in body.messages]
    return [{**fields, **choose_seed(body.seed, k), "messages": messages} for k in range(body.n or 1)]


def shape_chat(texts: OpenTexts, rows: Sequence[Completion]) -> Json:
    """Return the whole answer."""
    return {
        "id": f"chatcmpl-{texts.unique_part}",
        "object": "chat.completion",
        "created": unix_seconds(texts.created_at),
        "model": texts.model,
        "choices": [shape_choice(row) for row in rows],
        "usage": sum_usage(rows),
        **(told_of(rows[0]) or {}),
    }


def shape_choice(row: Completion) -> Json:
    """Return one choice: its content is null when the model only called tools, or refused."""
    return shape_chat_choice(row.choice_index, row.text, merge_extras(row.extra), row.finish_reason)


class ChatChunks:
    """Chunks of a streamed chat answer."""

    def __init__(self, texts: OpenTexts, *, include_usage: bool) -> None:
        self._head: Json = {
            "id": f"chatcmpl-{texts.unique_part}",
            "object": "chat.completion.chunk",
            "created": unix_seconds(texts.created_at),
            "model": texts.model,
        }
        self._tail: Json = {"usage": None} if include_usage else {}

    def opening(self, index: int) -> Json | None:
        """Return the chunk that names the role."""
        return self._chunk(index, {"role": "assistant", "content": ""}, None, None)

    def piece(self, piece: Piece) -> Json:
        """Return the chunk of new text, or of raw fields."""
        extra = dict(piece.extra or {})
        logprobs = extra.pop("logprobs", None)
        delta = {"content": piece.text, **extra} if piece.text else extra
        return self._chunk(piece.index, delta, logprobs, None)

    def finish(self, index: int, end: End) -> Json:
        """Return the last chunk of a choice."""
        self._head |= end.told or {}
        return self._chunk(index, {}, None, end.finish_reason)

    def usage(self, usage: Json | None) -> Json:
        """Return the chunk of the whole request's usage."""
        return {**self._head, "choices": [], "usage": usage}

    def _chunk(self, index: int, delta: Json, logprobs: Any, finish_reason: str | None) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._head, "choices": [choice], **self._tail}
