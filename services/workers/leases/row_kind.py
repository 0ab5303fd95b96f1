"""What a job kind says of its rows, so that one keeper can hold them all. Knows no kind."""

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.deaths import MOST_DEATHS
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import Message

RowT_contra = TypeVar("RowT_contra", contravariant=True)
Wanted = TypeVar("Wanted")


class LostRowError(Exception):
    """The row is not ours any more: nothing may be written, and nothing more may be paid for."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds, for how long without a renewal, and since when. Make one just before each claim."""

    worker_id: str
    seconds: float
    begun_at: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether somebody else may have the row by now, unless it was renewed."""
        return time.monotonic() - self.begun_at >= self.seconds


def begin_lease(context: WorkerContext) -> Lease:
    """Return the lease of a claim that is about to be made."""
    return Lease(context.worker_id, context.worker_settings.lease_seconds)


class RowKind(Protocol[RowT_contra, Wanted]):
    """The rows of one job kind; subclass it. Each method takes all rows that this process holds of the kind, and makes
    one statement of them: a renewal costs the same for one row and for a thousand."""

    name: ClassVar[str]
    """As metrics and logs call it."""
    listen_seconds: ClassVar[float | None] = None
    """How often it wants to hear what is wanted of its rows; None: when leases are renewed, that is often enough."""

    most_deaths: ClassVar[int] = MOST_DEATHS
    """After so many claims in a row that ended with their worker, or with a defect of ours, a row is given up."""
    is_shared: ClassVar[bool] = False
    """Whether several workers may hold one row at once: then only claims that ended with a defect are counted."""

    def key(self, row: RowT_contra) -> Hashable:
        """Return what tells a row *and its attempt* from any other."""
        ...

    async def renew(self, session: AsyncSession, rows: Sequence[RowT_contra], lease: Lease) -> Mapping[Any, Wanted]:
        """Renew the leases. Return what is wanted of the rows that are still ours, by key; those missing are lost."""
        ...

    async def listen(self, session: AsyncSession, rows: Sequence[RowT_contra]) -> Mapping[Any, Wanted]:
        """Return the same as `renew` without renewing. For kinds with `listen_seconds`."""
        raise TypeError(f"rows of {self.name} are not listened for")

    def hear(self, row: RowT_contra, wanted: Wanted) -> None:
        """Do what is wanted of a row, after the commit. Called on the loop: start what takes time."""
        return

    async def hand_back(self, session: AsyncSession, rows: Sequence[RowT_contra]) -> None:
        """End our leases now. Rows that are over, or another's, stay as they are."""
        ...

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        """Free the rows that nobody took or whose lease has lapsed, so many at a time; return their messages, to be
        sent (again) after the commit. For the reaper."""
        ...

    def name_row(self, row: RowT_contra) -> str:
        """Return what tells a row from any other, whatever its attempt."""
        ...

    def is_claimed_again(self, row: RowT_contra) -> bool:
        """Say whether the row was claimed before, so that it may be one that takes its workers with it: first claims
        are not counted, and cost nothing."""
        ...

    async def give_up(self, context: WorkerContext, row: RowT_contra, reason: str) -> None:
        """End a row that is ours for good, in the fewest words and writes: each claim of it came to nothing."""
        ...

    def message(self, row: RowT_contra) -> Message:
        """Return the message that brings a row that was handed back to another worker."""
        ...
