"""Bodies of the stream routes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Tag

from services.gateway.chat.schemas import ChatRequest
from services.gateway.completions.schemas import CompletionRequest


def tell_kind(body: Any) -> str:
    """Return which of the two bodies this is: only a chat has messages."""
    return "chat" if isinstance(body, ChatRequest) or (isinstance(body, dict) and "messages" in body) else "completion"


StreamRequest = Annotated[
    Annotated[ChatRequest, Tag("chat")] | Annotated[CompletionRequest, Tag("completion")], Discriminator(tell_kind)
]


class Stream(BaseModel):
    """One text being written, or written."""

    id: str
    object: Literal["stream"]
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    kind: Literal["completion", "chat", "embedding", "moderation"]
    model: str
    ws_url: str
    sse_url: str
    text: str
    sha256: str | None
    finish_reason: str | None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: int
    finished_at: int | None


class Ticket(BaseModel):
    """A ticket that opens the streaming service once."""

    object: Literal["ticket"]
    ticket: str
    expires_in: int
