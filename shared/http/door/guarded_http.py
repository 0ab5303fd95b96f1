"""uvicorn's HTTP protocol with bounds: on the time that a request takes to come, and on the size of its head."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.door.guests import Door
from shared.http.door.refusal import Refusal, refuse_head, refuse_slow, refuse_syntax
from shared.http.door.unread import Unread

SILENT_HEAD_SECONDS: Final = 1.0
"""A head that is so late may be closed when another connection needs the room: heads come in one packet."""
LINGER_SECONDS: Final = 2.0
"""How long what a refused client still sends is read and dropped: closed at once, it would lose the answer."""


class RefusedError(Exception):
    """The parser shall stop: the connection is refused."""


class Phase(Enum):
    """What a connection is waited for."""

    FIRST_BYTE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    """Ours: no clock of the door runs."""
    IDLE = auto()
    """The next request; uvicorn closes it after its keep-alive time."""
    REFUSED = auto()


class GuardedHttp(HttpToolsProtocol):
    """A connection behind a door. Subclasses say which."""

    door: Door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the connection in, or answer why not."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._phase = Phase.FIRST_BYTE
        self._since = self.loop.time()
        self._head_bytes = self._line_bytes = self._body_bytes = 0
        self._refusal: Refusal | None = None
        self._unread = Unread(transport)
        self._client: str | None = None
        """Whose request it is, when a trusted proxy says so."""
        if (refusal := self.door.enter(self)) is not None:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_request()
        self.door.leave(self)
        super().connection_lost(exc)

    @property
    def is_silent(self) -> bool:
        """Say whether the connection may be closed without a loss."""
        if self.transport.is_closing():
            return False
        late = self.loop.time() - self._since > SILENT_HEAD_SECONDS
        return self._phase in {Phase.FIRST_BYTE, Phase.IDLE} or (self._phase is Phase.HEAD and late)

    def leave_silently(self) -> None:
        """Close the connection."""
        self._phase = Phase.REFUSED
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in what came, as far as the bounds let it."""
        if self._phase is Phase.REFUSED:
            return
        if self._phase in {Phase.FIRST_BYTE, Phase.IDLE}:
            self._begin_head()
        if self._phase is Phase.BODY:
            self._body_bytes += len(data)
        in_head = self._phase is Phase.HEAD
        super().data_received(data)
        if in_head and self._phase is Phase.HEAD:
            # What the parser holds of an unfinished line is told to nobody before the line ends.
            self._head_bytes += len(data)
            if self._head_bytes > self.door.bounds.door_header_bytes:
                self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        if self._phase is not Phase.HEAD:
            self._begin_head()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        super().on_url(url)
        if len(self.url) > self.door.bounds.door_header_bytes:
            self._stop_parser(self._too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line."""
        super().on_header(name, value)
        bounds = self.door.bounds
        if len(self.headers) > bounds.door_header_lines:
            setting = self.door.name_setting("door_header_lines")
            self._stop_parser(refuse_head("lines", bounds.door_header_lines, setting))
        self._line_bytes += len(name) + len(value)
        if self._line_bytes > bounds.door_header_bytes:
            self._stop_parser(self._too_large())

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, if the client may ask."""
        self._begin_request()
        self._wait_for(Phase.BODY)
        self._body_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to wait for the answer, unless it was given already."""
        super().on_message_complete()
        if self._phase is Phase.BODY:
            answered = self.cycle is not None and self.cycle.response_complete
            self._wait_for(Phase.IDLE if answered else Phase.ANSWER)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is here already."""
        if self._phase is Phase.ANSWER and not self.pipeline:
            self._wait_for(Phase.IDLE)
        self._end_request()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; it stays counted until the other protocol loses it."""
        super().handle_websocket_upgrade()
        self._phase = Phase.ANSWER
        protocol: Any = self.transport.get_protocol()
        protocol.on_lost = partial(leave_upgraded, self.door.upgrade(self), self.door, self._client)
        del self.parser  # it and we hold each other, and nothing more comes here

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser did not take: what we stopped it for, or what is no HTTP."""
        self._refuse(self._refusal or refuse_syntax())

    def check_clock(self, now: float) -> None:
        """End the connection if it is over its time."""
        bounds, waited = self.door.bounds, now - self._since
        if self._unread.measure_seconds(now) > bounds.slow_seconds:
            self.door.count("unread")
            self.transport.abort()
            return
        if self._phase is Phase.FIRST_BYTE and waited > bounds.door_first_byte_seconds:
            self.door.count("silent")
            self.leave_silently()
        elif self._phase is Phase.HEAD and waited > bounds.door_header_seconds:
            if self.flow.read_paused:  # it waits behind a request that is being answered
                self._wait_for(Phase.HEAD)
                return
            message = f"The request's head did not come within {bounds.door_header_seconds:g} s"
            self._refuse(refuse_slow(message, self.door.name_setting("door_header_seconds")))
        elif self._phase is Phase.BODY:
            self._check_body(waited)
        elif self._phase is Phase.REFUSED and waited > LINGER_SECONDS:
            self.transport.close()

    def _check_body(self, waited: float) -> None:
        bounds = self.door.bounds
        if self.flow.read_paused:  # the application reads slowly, and not the client writes so
            self._wait_for(Phase.BODY)
        elif waited > bounds.door_body_seconds:
            slow = self._body_bytes < bounds.door_body_bytes_per_second * waited
            self._wait_for(Phase.BODY)
            self._body_bytes = 0
            if slow and self.cycle is not None and self.cycle.response_complete:  # it was answered by its head
                self.door.count("request_timeout")
                self.transport.close()
            elif slow:
                message = f"The body came slower than {bounds.door_body_bytes_per_second} bytes a second"
                self._refuse(refuse_slow(message, self.door.name_setting("door_body_bytes_per_second")))

    def _begin_request(self) -> None:
        self._end_request()
        client = self.door.proxies.find_client(self.address, self.headers)
        if client == self.address:
            return
        if (refusal := self.door.begin_request(client)) is not None:
            self._stop_parser(refusal)
        self._client = client

    def _end_request(self) -> None:
        if self._client is not None:
            self.door.end_request(self._client)
            self._client = None

    def _begin_head(self) -> None:
        self._wait_for(Phase.HEAD)
        self._head_bytes = self._line_bytes = 0

    def _wait_for(self, phase: Phase) -> None:
        self._phase, self._since = phase, self.loop.time()

    def _too_large(self) -> Refusal:
        return refuse_head("bytes", self.door.bounds.door_header_bytes, self.door.name_setting("door_header_bytes"))

    def _stop_parser(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise RefusedError

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, unless an answer is under way, and close soon."""
        if self._phase is Phase.REFUSED or self.transport.is_closing():
            return
        if refusal.status != HTTPStatus.TOO_MANY_REQUESTS:  # counted when it came in
            self.door.count(refusal.reason)
        self._wait_for(Phase.REFUSED)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.flow.resume_reading()
        self.transport.write(refusal.encode())
        self.transport.write_eof()


def leave_upgraded(leave: Callable[[], None], door: Door, client: str | None) -> None:
    """Forget a connection that has become a WebSocket, and the request of a proxy's client that began it."""
    if client is not None:
        door.end_request(client)
    leave()


def guard(door: Door) -> type[GuardedHttp]:
    """Return the protocol of a server with this door: uvicorn makes one for each connection."""

    class HttpBehindDoor(GuardedHttp):
        """A connection of one server."""

    HttpBehindDoor.door = door
    return HttpBehindDoor
