"""WebSocket frames as a client writes them, for those that go out many at a time."""

from websockets.frames import Frame, Opcode


def write_masked(text: str) -> bytes:
    """Return a text as one frame of a client."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)
