"""Follow a token stream over WebSocket: fold frames into text, reconnect from the cursor, check the hash at the end."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from storymill.client.errors import ClientError, UnreachableError
from storymill.fold import Fold

RECEIVE_TIMEOUT_SECONDS = 40.0
"""The server sends something at least every 15 s; silence for longer means a dead connection."""
LONGEST_PAUSE_SECONDS = 5.0
TRIES_WITHOUT_PROGRESS = 8
FINAL_CLOSE_CODES = frozenset({4001, 4003, 4009})
"""Bad key, bad scope, our own protocol error: coming back does not help."""


@dataclass(frozen=True, slots=True)
class TextChange:
    """What a viewer shows next: take `removed` code points off the end, then append `added`."""

    removed: int
    added: str


class StreamFollower:
    """One stream, watched until its end over as many connections as it takes."""

    def __init__(self, ws_url: str, stream_id: str, api_key: str) -> None:
        self._ws_url = ws_url
        self._stream_id = stream_id
        self._api_key = api_key
        self.fold = Fold(stream_id)
        self.reconnects = 0

    def changes(self) -> Iterator[TextChange]:
        """Yield every change of the text until the stream ends; afterwards `fold.end` is set and its hash was checked.

        Raises: ClientError when the stream does not exist, the server stays away, or the text does not fold right.
        """
        failures = 0
        while not self.fold.ended:
            before = self.fold.cursor
            try:
                with self._connect() as socket:
                    yield from self._read(socket)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                failures = 0 if self.fold.cursor != before else failures + 1
                self._check_hopeless(error, failures)
                self.reconnects += 1
                time.sleep(random.uniform(0.5, 1.0) * min(LONGEST_PAUSE_SECONDS, 0.1 * 2**failures))  # noqa: S311
        if self.fold.needs_row:
            raise ClientError("The received text does not match the stored one: please report this as a bug.")

    def _connect(self) -> ClientConnection:
        return connect(
            self._ws_url,
            additional_headers={"Authorization": f"Bearer {self._api_key}"},
            compression=None,
            proxy=None,
            max_size=None,
        )

    def _read(self, socket: ClientConnection) -> Iterator[TextChange]:
        self._subscribe(socket)
        while not self.fold.ended:
            message = json.loads(socket.recv(timeout=RECEIVE_TIMEOUT_SECONDS))
            for frame in message if isinstance(message, list) else [message]:
                yield from self._take(frame, socket)

    def _subscribe(self, socket: ClientConnection) -> None:
        socket.send(json.dumps({"t": "sub", "id": 1, "stream": self._stream_id, "from": self.fold.cursor}))

    def _take(self, frame: dict[str, Any], socket: ClientConnection) -> Iterator[TextChange]:
        if frame["t"] == "err":
            raise ClientError(f"stream {self._stream_id}: {frame['error']['message']}")
        before = self.fold.text
        self.fold.apply(frame)
        if self.fold.needs_resubscribe:
            self._subscribe(socket)
        if self.fold.text != before:
            kept = count_common(before, self.fold.text)
            yield TextChange(len(before) - kept, self.fold.text[kept:])

    def _check_hopeless(self, error: Exception, failures: int) -> None:
        if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in FINAL_CLOSE_CODES:
            raise ClientError(f"The streaming service closed the connection: {error.rcvd.reason}") from error
        if failures >= TRIES_WITHOUT_PROGRESS:
            raise UnreachableError(f"Lost the stream at {self._ws_url} ({error}). Try: storymill status") from error


def count_common(before: str, after: str) -> int:
    """Return how many code points two texts share at their beginning."""
    if after.startswith(before):
        return len(before)
    pairs = enumerate(zip(before, after, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(before), len(after)))
