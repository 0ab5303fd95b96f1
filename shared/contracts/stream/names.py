"""Every Redis name of the stream protocol. Hash tags keep the keys of one stream in one slot of a cluster."""

from typing import Final

CONTROL_CHANNEL: Final = "sm:control"
"""Pub/sub channel on which every interactive worker hears cancels."""


def log_key(stream_id: str) -> str:
    """Return the key of the stream's log, a Redis Stream whose entry ids are cursors."""
    return f"{{{stream_id}}}:log"


def live_channel(stream_id: str) -> str:
    """Return the pub/sub channel that carries the stream's frames as they are written."""
    return f"{{{stream_id}}}:live"


def lease_key(stream_id: str) -> str:
    """Return the key that lives while a worker does; its value is the attempt that owns the stream."""
    return f"{{{stream_id}}}:lease"


def cancel_key(stream_id: str) -> str:
    """Return the key that says that someone asked to cancel."""
    return f"{{{stream_id}}}:cancel"


def stream_of_channel(channel: str) -> str:
    """Return the stream id inside a live channel's name."""
    return channel[1 : channel.index("}")]
