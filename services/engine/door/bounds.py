"""The bounds of a door, under the names of their settings."""

from typing import Protocol


class DoorBounds(Protocol):
    """What a service's settings say of its door; read whenever it matters, so that a change counts at once."""

    @property
    def door_connections(self) -> int:
        """Open ones, of whomever, proxies and idle ones too."""
        ...

    @property
    def door_connections_per_address(self) -> int:
        """Connections of one address that is no trusted proxy."""
        ...

    @property
    def door_first_byte_seconds(self) -> float:
        """From a connection to its first byte."""
        ...

    @property
    def door_header_seconds(self) -> float:
        """From the first byte of a request to the end of its head."""
        ...

    @property
    def door_header_bytes(self) -> int:
        """Of a request's head: address and header lines."""
        ...

    @property
    def door_header_lines(self) -> int:
        """Header lines of a request."""
        ...

    @property
    def door_body_seconds(self) -> float:
        """For how long a body may come slower than `door_body_bytes_per_second`."""
        ...

    @property
    def door_body_bytes_per_second(self) -> int:
        """How fast a body must come."""
        ...

    @property
    def slow_seconds(self) -> float:
        """For how long a client may read nothing of what it is sent."""
        ...
