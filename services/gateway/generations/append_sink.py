"""A file that is only written to the end, and handed on piece by piece: what a Parquet writer needs of one."""


class AppendSink:
    """Keeps what was written until it is taken; positions go on counting."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes."""
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        """Return how much was written in all."""
        return self._position

    def flush(self) -> None:
        """Do nothing: there is nothing behind."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def take(self) -> bytes:
        """Return what was written since the last call."""
        written = b"".join(self._parts)
        self._parts.clear()
        return written
