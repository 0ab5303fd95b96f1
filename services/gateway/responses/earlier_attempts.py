"""Whether a client that comes back for the rest of a response may have seen another text of it.

A worker that dies leaves a part of a text behind, and its successor may write another. Numbers of events say nothing of
attempts, so what earlier attempts told is taken from the stream's log, which keeps it for as long as the log lives, and
held against what is told now, up to the number that the client has."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.gateway.interactive.relay import Relay
from services.gateway.responses.output_items import OutputItems
from services.gateway.wiring import Gateway
from shared.contracts.stream.cursor import START
from shared.contracts.stream.frames import Delta, Snapshot, decode, split_header
from shared.http.answers import Json
from shared.streams.log_reader import LogReader

Unit = bytes | str
"""What one number stands for: an event, or a code point of a delta."""


def count_units(events: Iterable[Json]) -> list[Unit]:
    """Return what each number of some events stands for."""
    units: list[Unit] = []
    for event in events:
        units += event["delta"] if event["type"].endswith(".delta") else [orjson.dumps(event)]
    return units


@dataclass(slots=True)
class SeenBefore:
    """What a client that has the first `count` units of a response's output may have seen of it."""

    count: int = 0
    tellings: list[list[Unit]] = field(default_factory=list)
    """The earlier attempts that told as many, each cut there."""
    _told: list[Unit] = field(default_factory=list)

    def differs(self, events: Sequence[Json]) -> bool:
        """Take in the next events of the attempt that is told now; say whether an earlier one told something else."""
        if not self.tellings or len(self._told) >= self.count:
            return False
        self._told += count_units(events)
        reach = min(len(self._told), self.count)
        return any(telling[:reach] != self._told[:reach] for telling in self.tellings)


async def find_seen_before(gateway: Gateway, stream_id: str, attempt: int, unique: str, count: int) -> SeenBefore:
    """Return what earlier attempts than `attempt` told of a stream, as far as a client may have it. Once the log is
    gone nobody knows, and whoever has a part must begin anew."""
    if attempt <= 1 or count <= 0:
        return SeenBefore()
    payloads = await LogReader(gateway.redis).read(stream_id, START)
    if not payloads:
        return SeenBefore(count, [[]])
    tellings = [count_units(fold(frames, unique)) for frames in group_by_attempt(payloads, attempt)]
    return SeenBefore(count, [telling[:count] for telling in tellings if len(telling) >= count])


def group_by_attempt(payloads: Iterable[bytes], before: int) -> list[list[Any]]:
    """Return the text frames of every attempt before one, in their order."""
    frames = defaultdict[int, list[Any]](list)
    for payload in payloads:
        header, body = split_header(payload)
        frame = decode(body)
        if header.cursor.attempt < before and isinstance(frame, Delta | Snapshot):
            frames[header.cursor.attempt].append(frame)
    return list(frames.values())


def fold(frames: Iterable[Delta | Snapshot], unique: str) -> Iterable[Json]:
    """Yield the events of one attempt's output."""
    relay, output = Relay(), OutputItems(unique)
    for frame in frames:
        for text, extra in relay.take(frame):
            yield from output.take(text, extra)
