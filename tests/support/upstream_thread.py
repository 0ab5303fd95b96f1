"""A scripted provider beside a test that has no event loop, as those of a whole mill have none."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.upstream import ScriptedUpstream


@dataclass(frozen=True)
class UpstreamThread:
    """A provider that serves in a thread. Its scripts may be changed at any time."""

    upstream: ScriptedUpstream
    loop: asyncio.AbstractEventLoop

    def close_port(self) -> None:
        """Refuse connections from now on."""
        asyncio.run_coroutine_threadsafe(self.upstream.stop(), self.loop).result(10)

    def open_port(self) -> None:
        """Take connections again, at the same port."""
        asyncio.run_coroutine_threadsafe(self.upstream.start(), self.loop).result(10)


@contextmanager
def serve_upstream() -> Iterator[UpstreamThread]:
    """Yield a provider that listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = UpstreamThread(ScriptedUpstream(), loop)
    serving.open_port()
    try:
        yield serving
    finally:
        serving.close_port()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
