"""The calls of this process to one provider, from leaving to their first answer: how long answers usually take,
whether a provider takes calls and answers none, and an end for calls that nobody will answer any more. Knows no
verdict."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from shared.outside.providers.failures import FailureClass, LlmError

HUNG_CALLS: Final = 5
"""So many calls that wait far too long, while no other is answered: it is the provider's doing, not that of one
prompt."""
USUAL_FACTOR: Final = 4.0
"""A call waits far too long when it waits for so many times the usual."""
USUAL_DECAY: Final = 0.05
SHORTEST_PROBE_SECONDS: Final = 2.0
PROBE_FACTOR: Final = 2.0
PROBE_GROWTH_SECONDS: Final = 900.0
"""A probe may take twice as long after each such time: a provider may have become slower while it was down."""
FREE_AGAIN_SECONDS: Final = 60.0
"""One row is enough for one probe after the other; another one, in case somebody else has taken it."""
LOST: Final = "call_lost"


@dataclass(slots=True, eq=False)
class CallUnderWay:
    """One call. Times are `time.monotonic()`."""

    what: str
    """Which calls take about as long: those for a model that are answered whole, those that are streamed, or those that
    ask for embeddings of about so many bytes."""
    clock: asyncio.Timeout
    on_answer: "Callable[[CallUnderWay], None]"
    grace_seconds: float | None = None
    """For so long somebody waits for it whose provider is down; None: as long as it takes."""
    begun: float = field(default_factory=time.monotonic)
    is_answered: bool = False

    def note_answer(self) -> None:
        """Take in that the answer has come, or begun: from now on the call may take its time."""
        if not self.is_answered and not self.clock.expired():
            self.is_answered = True
            self.clock.reschedule(None)
            self.on_answer(self)


class CallsUnderWay:
    """One per provider and key. `patience_seconds`: silence that is no reason to worry, however fast the provider
    is."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._calls: set[CallUnderWay] = set()
        self._usual_seconds: dict[str, float] = {}
        self._heard_at = time.monotonic()
        self._freed_at = float("-inf")

    def __len__(self) -> int:
        return len(self._calls)

    @asynccontextmanager
    async def follow(
        self, what: str, limit_seconds: float | None, grace_seconds: float | None = None
    ) -> AsyncIterator[CallUnderWay]:
        """Count a call while the block lasts. Raises: LlmError (timeout) when it takes longer than its limit, or is
        given up by `end_lost` or `end_awaited`."""
        call = None
        try:
            async with asyncio.timeout(limit_seconds) as clock:
                call = CallUnderWay(what, clock, self._take_answer, grace_seconds)
                self._calls.add(call)
                yield call
                call.note_answer()
        except TimeoutError as error:
            raise LlmError(FailureClass.TIMEOUT, "the provider took the call and did not answer", code=LOST) from error
        except LlmError as error:
            if error.failure_class is not FailureClass.TIMEOUT:
                self._heard_at = time.monotonic()
            raise
        finally:
            if call is not None:
                self._calls.discard(call)

    def _take_answer(self, call: CallUnderWay) -> None:
        self._heard_at = time.monotonic()
        seconds = self._heard_at - call.begun
        usual = self._usual_seconds.get(call.what, seconds)
        self._usual_seconds[call.what] = max(seconds, usual + (seconds - usual) * USUAL_DECAY)

    def find_probe_limit(self, what: str, down_seconds: float) -> float | None:
        """Return how long a probe may take, so that one that hangs holds the next up but shortly; None when nobody
        knows how long answers take."""
        usual = self._usual_seconds.get(what)
        if usual is None:
            return None
        doublings = min(10, int(down_seconds / PROBE_GROWTH_SECONDS))
        return float(max(SHORTEST_PROBE_SECONDS, PROBE_FACTOR * usual) * 2**doublings)

    def has_fallen_silent(self) -> bool:
        """Say whether calls hang, and none was answered in the meantime."""
        if time.monotonic() - self._heard_at < self._patience_seconds:
            return False
        return sum(self._is_hung(call) for call in self._calls) >= HUNG_CALLS

    def end_lost(self, before: float) -> None:
        """Give up the calls that hang and were begun before then: a provider that is back has forgotten them."""
        self._end(call for call in self._calls if call.begun < before and self._is_hung(call))

    def end_awaited(self, down_seconds: float) -> None:
        """Give up the calls that hang and that somebody waits for, when their provider is down for longer than that:
        who waits is told."""
        impatient = (call for call in self._calls if call.grace_seconds is not None)
        self._end(call for call in impatient if down_seconds > (call.grace_seconds or 0.0) and self._is_hung(call))

    def end_oldest_hung(self) -> None:
        """Give up the call that hangs for longest, once in a while: its row can be asked for again, to see whether the
        provider is back."""
        hung = [call for call in self._calls if self._is_hung(call) and not call.clock.expired()]
        now = time.monotonic()
        if hung and now - self._freed_at > FREE_AGAIN_SECONDS:
            self._freed_at = now
            self._end([min(hung, key=lambda call: call.begun)])

    def _end(self, calls: Iterable[CallUnderWay]) -> None:
        now = asyncio.get_running_loop().time()
        for call in calls:
            if not call.clock.expired():
                call.clock.reschedule(now)

    def _is_hung(self, call: CallUnderWay) -> bool:
        usual = self._usual_seconds.get(call.what)
        if call.is_answered or usual is None:
            return False
        return time.monotonic() - call.begun > max(self._patience_seconds, USUAL_FACTOR * usual)
