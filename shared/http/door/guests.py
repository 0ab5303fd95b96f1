"""Who is inside: counts connections, makes room by ending those that say nothing, looks at clocks twice a second."""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import structlog

from shared.http.door.bounds import DoorBounds
from shared.http.door.proxies import TrustedProxies
from shared.http.door.refusal import Refusal, refuse_crowd

SWEEP_SECONDS: Final = 0.5
RESERVED_DESCRIPTORS: Final = 128
"""For databases, queues, files and pipes of the process: clients get the rest."""
WARNED_SHARE: Final = 0.8
WARN_SECONDS: Final = 60.0

log = structlog.get_logger(__name__)


class Guest(Protocol):
    """A connection, as its door sees it."""

    @property
    def address(self) -> str:
        """The other side's."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether it waits for nothing of ours, and has sent nothing that waits for an answer."""
        ...

    def check_clock(self, now: float) -> None:
        """End the connection if it is over its time."""
        ...

    def leave_silently(self) -> None:
        """Close a silent connection."""
        ...


class Door:
    """One per server. `count` is told why somebody was refused; `prefix` begins the settings' names;
    `trusted_proxies` are addresses and networks by comma, of which each may have any number of connections."""

    def __init__(
        self,
        read_bounds: Callable[[], DoorBounds],
        *,
        prefix: str,
        trusted_proxies: str = "",
        count: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._read_bounds = read_bounds
        self._prefix = prefix
        self.proxies = TrustedProxies(trusted_proxies)
        self.count = count
        self._most_descriptors = raise_descriptor_limit()
        self._inside: dict[Guest, None] = {}
        """In the order in which they came."""
        self._upgraded = 0
        self._by_address: Counter[str] = Counter()
        self._sweep: asyncio.TimerHandle | None = None
        self._warned_at = -WARN_SECONDS

    def __len__(self) -> int:
        return len(self._inside) + self._upgraded

    @property
    def bounds(self) -> DoorBounds:
        """The bounds as they are now."""
        return self._read_bounds()

    def name_setting(self, bound: str) -> str:
        """Return the variable that sets a bound."""
        return f"{self._prefix}{bound.upper()}"

    def enter(self, guest: Guest) -> Refusal | None:
        """Let a connection in; or return why it must go, and count it nevertheless until it leaves."""
        refusal = self._find_refusal(guest)
        self._inside[guest] = None
        self._by_address[guest.address] += 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._check_clocks)
        if refusal is not None:
            self.count(refusal.reason)
        return refusal

    def leave(self, guest: Guest) -> None:
        """Forget a connection that is closed."""
        del self._inside[guest]
        self._forget(guest.address)

    def begin_request(self, client: str) -> Refusal | None:
        """Count a request that a trusted proxy forwards as its client's, until `end_request`; or return why not."""
        refusal = self._find_crowd(client)
        if refusal is not None:
            self.count(refusal.reason)
            return refusal
        self._by_address[client] += 1
        return None

    def end_request(self, client: str) -> None:
        """Forget a request of a proxy's client."""
        self._forget(client)

    def _forget(self, address: str) -> None:
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]

    def upgrade(self, guest: Guest) -> Callable[[], None]:
        """Look no more at the clock of a connection that speaks another protocol now. Return what to call when it is
        closed. Nothing of the guest is kept: an idle WebSocket would carry its HTTP parser about."""
        del self._inside[guest]
        self._upgraded += 1
        return partial(self._leave_upgraded, guest.address)

    def _leave_upgraded(self, address: str) -> None:
        self._upgraded -= 1
        self._forget(address)

    def _find_refusal(self, guest: Guest) -> Refusal | None:
        bounds = self.bounds
        most = min(bounds.door_connections, self._most_descriptors - RESERVED_DESCRIPTORS)
        self._warn_when_near(most)
        if (crowd := self._find_crowd(guest.address)) is not None:
            return crowd
        if len(self) >= most and not self._make_room():
            return refuse_crowd("The server", most, self.name_setting("door_connections"))
        return None

    def _find_crowd(self, address: str) -> Refusal | None:
        alike = self.bounds.door_connections_per_address
        if self._by_address[address] < alike or address in self.proxies:
            return None
        return refuse_crowd("Your address", alike, self.name_setting("door_connections_per_address"))

    def _make_room(self) -> bool:
        """Close the connection that has been silent for longest; False when all are at work."""
        for guest in self._inside:
            if guest.is_silent:
                guest.leave_silently()
                self.count("made_room")
                return True
        return False

    def _warn_when_near(self, most: int) -> None:
        now = asyncio.get_running_loop().time()
        if len(self) >= most * WARNED_SHARE and now >= self._warned_at + WARN_SECONDS:
            self._warned_at = now
            log.warning("connections_near_the_bound", connections=len(self), most=most)

    def _check_clocks(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for guest in list(self._inside):
            guest.check_clock(now)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._check_clocks) if self._inside else None


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it: shells give 1,024, servers need more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 2**31
