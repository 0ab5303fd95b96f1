"""Server-sent events as bytes: one event, the comment that keeps a connection open, when a client comes back, OpenAI's
last word."""

from typing import Final

DONE: Final = b"data: [DONE]\n\n"
"""OpenAI's end of a stream."""


def format_event(data: bytes, *, name: str | None = None, event_id: str | None = None) -> bytes:
    r"""Return one event: `id` and `event` where given, then `data: ` and one line. `data` has no line end, as no JSON
    of ours has."""
    head = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    if name is not None:
        head += b"event: " + name.encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


def format_comment(text: str) -> bytes:
    """Return a line that clients skip."""
    return b": " + text.encode() + b"\n\n"


def format_retry(milliseconds: int) -> bytes:
    """Return how long a client waits before it comes back after a lost connection."""
    return f"retry: {milliseconds}\n\n".encode()
