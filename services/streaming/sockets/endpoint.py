"""The WebSocket endpoint: origin, credentials; then a conversation until it closes.

Pure ASGI on our own `SocketTransport`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from services.streaming.access import identify
from services.streaming.clients import Client
from services.streaming.sockets import close_codes
from services.streaming.sockets.client_frames import Authenticate, ProtocolError, read_client_frame, read_json
from services.streaming.sockets.connection import Receive as ReceiveMessage
from services.streaming.sockets.transport import EXTENSION, SocketTransport
from services.streaming.wiring import Streaming
from shared.auth.principal import Principal
from shared.errors import AuthenticationError, PermissionDeniedError, ServiceUnavailableError, StorymillError
from shared.http.cross_origin import is_allowed_origin
from shared.http.token_bucket import TokenBucket
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY

SUBPROTOCOL = "storymill.v1"
TICKET_PREFIX = "ticket."
BURST_SECONDS = 0.5

log = get_logger(__name__)


class SocketClient(Client, Protocol):
    """What a socket is for, once we know who is there."""

    async def run(self, receive: ReceiveMessage) -> None:
        """Serve the client until it leaves or is sent away."""

    def end_with_key(self) -> None:
        """Send the client away: its key was revoked."""


Conversation = Callable[[Principal, str | None, SocketTransport], SocketClient]
"""Begins what a socket is for, given who is there, the `Authorization` header and the transport."""


class SocketEndpoint:
    """Takes every handshake of a process, no more than so many a second."""

    def __init__(self, streaming: Streaming) -> None:
        self._streaming = streaming
        per_second = streaming.settings.handshakes_per_second
        self._handshakes = TokenBucket(per_second, max(1.0, per_second * BURST_SECONDS))

    async def serve(self, scope: Scope, receive: Receive, send: Send, conversation: Conversation) -> None:
        """Serve one socket from handshake to close."""
        await receive()
        headers = Headers(scope=scope)
        allowed = self._streaming.settings.origin_list
        if not is_allowed_origin(headers.get("origin"), headers.get("host"), allowed):
            await send({"type": "websocket.close"})  # before the handshake: HTTP 403
            return
        await self._handshakes.wait()
        offered = scope.get("subprotocols", [])
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None})
        try:
            self._check_room()
            principal = await self._identify(scope, receive)
        except STORE_AWAY as error:
            log.error("store_unreachable", error=str(error))
            await send({"type": "websocket.close", "code": close_codes.RESTART, "reason": "come back in a moment"})
            return
        except StorymillError as error:
            await send({"type": "websocket.close", "code": _close_code(error), "reason": error.message[:120]})
            return
        except ProtocolError as error:
            await send({"type": "websocket.close", "code": close_codes.PROTOCOL, "reason": str(error)[:120]})
            return
        if principal is not None:
            await self._streaming.key_pauses.wait(principal.api_key_id)
            transport = scope["extensions"][EXTENSION]
            client = conversation(principal, headers.get("authorization"), transport)
            self._streaming.clients.add(client)
            try:
                with self._streaming.keys.watching(principal, client.end_with_key):
                    await client.run(receive)
            finally:
                self._streaming.clients.remove(client)

    def _check_room(self) -> None:
        clients = self._streaming.clients
        if clients.is_draining:
            raise _RestartingError("server restart")
        if len(clients) >= self._streaming.settings.max_connections:
            raise _FullError("too many connections on this server")

    async def _identify(self, scope: Scope, receive: Receive) -> Principal | None:
        """Return who is there: by header, by ticket among the subprotocols, or by an `auth` frame; None if gone."""
        authorization = Headers(scope=scope).get("authorization")
        offered: Sequence[str] = scope.get("subprotocols", [])
        tickets = [name.removeprefix(TICKET_PREFIX) for name in offered if name.startswith(TICKET_PREFIX)]
        if authorization is not None or tickets:
            return await identify(self._streaming, scope, authorization, tickets[0] if tickets else None)
        try:
            async with asyncio.timeout(self._streaming.settings.auth_seconds):
                message = await receive()
        except TimeoutError as error:
            raise AuthenticationError("no credentials: send a key in the handshake or a ticket first") from error
        if message["type"] == "websocket.disconnect":
            return None
        frame = read_client_frame(read_json(message.get("text") or ""))
        if not isinstance(frame, Authenticate):
            raise AuthenticationError("the first frame must be 'auth' with a ticket")
        return await identify(self._streaming, scope, None, frame.ticket)


class _RestartingError(ServiceUnavailableError):
    """The process is stopping."""


class _FullError(ServiceUnavailableError):
    """The process has as many sockets as it may."""


def _close_code(error: StorymillError) -> int:
    match error:
        case PermissionDeniedError():
            return close_codes.SCOPE
        case _FullError():
            return close_codes.TOO_MANY
        case ServiceUnavailableError():
            return close_codes.RESTART
        case _:
            return close_codes.AUTHENTICATION
