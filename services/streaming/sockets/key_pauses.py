"""A key whose sockets were closed for what they sent waits before another one is served: frames are counted on each
socket, and whoever comes back at once would begin to count anew."""

import asyncio


class KeyPauses:
    """Of one process. Holds the keys that have to wait."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._until: dict[str, float] = {}

    def note(self, key_id: str) -> None:
        """A socket of this key was closed for what it sent."""
        now = asyncio.get_running_loop().time()
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._until[key_id] = now + self._wait_seconds

    async def wait(self, key_id: str) -> None:
        """Return when a socket of this key may be served."""
        left = self._until.get(key_id, 0.0) - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
