"""What a client has not read yet, of what it was sent: here and in the kernel."""

import asyncio
import struct
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final

NOTHING: Final = struct.pack("i", 0)


class Unread:
    """Looks after one connection. An answer that the kernel has taken whole is given, as far as we know."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._bytes = 0
        self._since: float | None = None

    def measure_seconds(self, now: float) -> float:
        """Return for how long the client has read nothing, though something waits for it."""
        if not self._transport.get_write_buffer_size():
            self._since = None
            return 0.0
        waiting = self._count_bytes()
        if self._since is None or waiting < self._bytes:
            self._since = now
        self._bytes = waiting
        return now - self._since

    def _count_bytes(self) -> int:
        here = self._transport.get_write_buffer_size()
        socket = self._transport.get_extra_info("socket")
        try:
            (in_kernel,) = struct.unpack("i", ioctl(socket.fileno(), TIOCOUTQ, NOTHING))
        except (OSError, AttributeError):  # closed meanwhile, or a system that does not tell
            return here
        return here + int(in_kernel)
