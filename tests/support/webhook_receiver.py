"""A webhook target: a real HTTP server that keeps what comes and answers as it is told."""

import asyncio
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from openai import OpenAI


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The event's id, as the header has it."""
        return self.headers["webhook-id"]

    def unwrap(self, secret: str) -> Any:
        """Return the event as OpenAI's client does: it checks the signature. Raises: InvalidWebhookSignatureError."""
        return OpenAI(api_key="sm_x").webhooks.unwrap(self.body, self.headers, secret=secret)


@dataclass
class WebhookReceiver:
    """An async context manager. `statuses` answers the next requests, then 200; `/slow` never answers."""

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    url: str = ""
    gate: asyncio.Event | None = None
    """Answers wait for it."""
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._released = asyncio.Event()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append(Received(request.path, {k.lower(): v for k, v in request.headers.items()}, body))
        if self.gate is not None:
            await self.gate.wait()
        if request.path == "/slow":
            await self._released.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, headers=self.headers)
