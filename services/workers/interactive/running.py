"""A completion while this process works on it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from services.workers.interactive.call import Call
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, LostRowError
from services.workers.streams.handle import StreamHandle
from shared.stores.db.repositories.completion_claims import Checkpoint, ClaimedCompletion


class StopReason(StrEnum):
    """Why a call is cut short."""

    CANCELLED = "cancelled"
    """Somebody asked for it."""
    LOST = "lost"
    """The row belongs to a later attempt: nothing may be written any more."""


class HeldCompletion(Protocol):
    """What is kept of every completion that a process holds, whether a call is made for it or not."""

    claimed: ClaimedCompletion
    handle: StreamHandle
    checkpointed_chars: int
    is_advancing: bool

    @property
    def id(self) -> str:
        """The row's id, which is the stream's."""

    @property
    def calls(self) -> Sequence[Call]:
        """Calls on the books that have no outcome yet."""

    def stop(self, reason: StopReason) -> None:
        """Work on it no more."""

    def checkpoint(self, *, with_text: bool) -> Checkpoint:
        """Return how far the text has come; without its text if that is stored already."""


@dataclass(slots=True, eq=False)
class RunningCompletion:
    """Claim, call and stream of one row; replaced together when a next attempt begins."""

    claimed: ClaimedCompletion
    handle: StreamHandle
    call: Call
    lease: Lease
    """The newest claim's; what counts until the keeper has the row."""
    hold: Hold | None = None
    stop_reason: StopReason | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None
    """The task that reads the upstream; cancelling it closes the socket."""
    checkpointed_chars: int = 0
    must_stream: bool = False
    """A whole answer was waited for in vain: some way in between cuts connections that are silent for long."""
    is_advancing: bool = False
    """The row goes on to its next attempt just now: a renewal under the one before says nothing."""

    @property
    def id(self) -> str:
        """The row's id, which is the stream's."""
        return self.claimed.id

    @property
    def calls(self) -> Sequence[Call]:
        """The call under way."""
        return (self.call,)

    async def confirm(self) -> None:
        """Return when the row is surely ours: before a call leaves. Raises: LostRowError when it is lost, or when
        its lease has run out before the keeper has it."""
        if self.hold is not None:
            await self.hold.confirm()
        elif self.lease.is_over:
            raise LostRowError(self.id)

    def stop(self, reason: StopReason) -> None:
        """Cut the call short. The first reason stands, except that a lost row is lost."""
        if self.stop_reason is None or reason is StopReason.LOST:
            self.stop_reason = reason
        self.stopped.set()
        if self.reader is not None:
            self.reader.cancel()

    async def wait_unless_stopped(self, seconds: float) -> bool:
        """Sleep, but not on after a stop; return whether the call is still wanted."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        except TimeoutError:
            pass
        return self.stop_reason is None

    def checkpoint(self, *, with_text: bool) -> Checkpoint:
        """Return how far the text has come; without its text if that is stored already."""
        handle = self.handle
        if not with_text or handle.chars == self.checkpointed_chars:
            return Checkpoint(self.id, self.claimed.attempt)
        return Checkpoint(self.id, self.claimed.attempt, handle.text, handle.cursor.seq)
