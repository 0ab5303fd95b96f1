"""What a provider's answers say of the provider: well, down, silent, out of credit, or refusing our key. Pure: knows no
clock, no store, no run. What a row may have caused says nothing here."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.contracts.storable import cut_text
from shared.outside.providers.failures import FailureClass, LlmError

DOWN_AFTER: Final = 5
"""Failures in a row, without a success."""
DOWN_ROWS: Final = 3
"""Of so many rows at least, where one row may have caused them (a prompt that breaks the server)."""
KEY_REFUSED_AFTER: Final = 3
"""A firewall refuses a single call now and then."""
REFUSALS_WITHOUT_DELAY: Final = 10
"""So many 429 in a row that name no delay (or 0), without a success: we give one ourselves."""
SHORTEST_SILENCE_SECONDS: Final = 1.0
"""What is shorter concerns the calls of one process: its slots are cut."""
LONGEST_OWN_SILENCE_SECONDS: Final = 15.0
LONGEST_WORDS_CHARACTERS: Final = 500
NOT_OUR_DOING: Final = frozenset({502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530})
"""A gateway says these of a server behind it, or a server of its load: no row causes them."""


class Verdict(StrEnum):
    """The states; the value is what stands in Postgres and in answers."""

    WELL = "well"
    DOWN = "down"
    SILENT = "silent"
    NO_CREDIT = "no_credit"
    KEY_REFUSED = "key_refused"


EXCUSES: Final = {
    Verdict.DOWN: "provider_down",
    Verdict.SILENT: "provider_silent",
    Verdict.NO_CREDIT: FailureClass.QUOTA_EXHAUSTED.value,
    Verdict.KEY_REFUSED: "key_refused",
}
"""As the books call a call that failed under a verdict: it is no failure of its row."""
FALLS_UNDER: Final = {
    Verdict.DOWN: frozenset(
        {
            FailureClass.UNREACHABLE,
            FailureClass.SERVER_ERROR,
            FailureClass.TIMEOUT,
            FailureClass.CUT_CONNECTION,
            FailureClass.RATE_LIMITED,
        }
    ),
    Verdict.SILENT: frozenset({FailureClass.RATE_LIMITED}),
    Verdict.NO_CREDIT: frozenset({FailureClass.QUOTA_EXHAUSTED}),
    Verdict.KEY_REFUSED: frozenset({FailureClass.AUTHENTICATION}),
}
"""Which failures a verdict explains."""
SAYS_NOTHING: Final = frozenset({FailureClass.CANCELLED, FailureClass.INTERNAL_ERROR, FailureClass.MALFORMED})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands, and why. Times are seconds since the epoch: other machines read them."""

    verdict: Verdict = Verdict.WELL
    since: float = 0.0
    changed_at: float = 0.0
    """Which of two standings is the newer."""
    until: float | None = None
    """When a silent provider may be asked again."""
    message: str | None = None
    """The provider's own words."""
    failure_class: str | None = None
    upstream_status: int | None = None

    def waits_seconds(self, now: float) -> float:
        """Return for how long a silent provider must not be asked."""
        return max(0.0, self.until - now) if self.verdict is Verdict.SILENT and self.until is not None else 0.0


@dataclass(slots=True)
class Streak:
    """Failures of one kind in a row."""

    calls: int = 0
    not_our_doing: int = 0
    subjects: set[str] = field(default_factory=set)

    def add(self, error: LlmError, subject: str) -> None:
        """Count one."""
        self.calls += 1
        is_unreachable = error.failure_class is FailureClass.UNREACHABLE
        self.not_our_doing += is_unreachable or error.upstream_status in NOT_OUR_DOING
        if len(self.subjects) < DOWN_ROWS:
            self.subjects.add(subject)

    @property
    def means_down(self) -> bool:
        """Whether the server is to blame, not a row."""
        return self.not_our_doing >= DOWN_AFTER or (self.calls >= DOWN_AFTER and len(self.subjects) >= DOWN_ROWS)


class VerdictFinder:
    """Comes to the verdict on one provider and key, call by call."""

    def __init__(self) -> None:
        self.standing = Standing()
        self._failures = Streak()
        self._key_refusals = 0
        self._bare_refusals = 0
        self._own_silences = 0

    def hear_success(self, begun_at: float, now: float) -> None:
        """Take in a call that was answered well. One that began before the verdict does not lift it: in an outage, old
        streams may still end well."""
        self._clear()
        if self.standing.verdict is not Verdict.WELL and begun_at >= self.standing.since:
            self._own_silences = 0
            self._change(Verdict.WELL, now, None)

    def hear_failure(self, error: LlmError, subject: str, begun_at: float, now: float) -> None:
        """Take in a failed call made for `subject` (a row's id)."""
        kind = error.failure_class
        if kind in SAYS_NOTHING or (self.standing.verdict is Verdict.WELL and begun_at < self.standing.since):
            return  # nothing, or an echo of an outage that is over
        if kind is FailureClass.QUOTA_EXHAUSTED:
            self._change(Verdict.NO_CREDIT, now, error)
        elif kind is FailureClass.AUTHENTICATION:
            self._hear_key_refused(error, now)
        elif kind is FailureClass.RATE_LIMITED:
            self._hear_rate_limited(error, now)
        elif kind in FALLS_UNDER[Verdict.DOWN]:
            self._hear_fault(error, subject, now)
        else:
            self._hear_sign_of_life(begun_at, now)

    def hear_nothing(self, now: float) -> None:
        """Take in that calls hang and none is answered."""
        self._change(Verdict.DOWN, now, LlmError(FailureClass.TIMEOUT, "it takes calls and answers none"))

    def adopt(self, standing: Standing) -> None:
        """Take over what another process found."""
        self._clear()
        self.standing = standing

    def explains(self, error: LlmError) -> str | None:
        """Return how the books call a failure that the verdict explains; None for one that is its row's."""
        verdict = self.standing.verdict
        return EXCUSES[verdict] if error.failure_class in FALLS_UNDER.get(verdict, ()) else None

    def _clear(self) -> None:
        self._failures = Streak()
        self._key_refusals = self._bare_refusals = 0

    def _hear_key_refused(self, error: LlmError, now: float) -> None:
        self._key_refusals += 1
        was_refusing = self.standing.verdict is Verdict.NO_CREDIT  # nobody got through anyway: say what it says now
        if self._key_refusals >= KEY_REFUSED_AFTER or was_refusing:
            self._change(Verdict.KEY_REFUSED, now, error)

    def _hear_rate_limited(self, error: LlmError, now: float) -> None:
        asked = error.retry_after_seconds
        if not asked:  # `retry-after: 0`, and then it refuses again
            self._bare_refusals += 1
            if self._bare_refusals < REFUSALS_WITHOUT_DELAY:
                return
            self._bare_refusals = REFUSALS_WITHOUT_DELAY - 1
            asked = min(SHORTEST_SILENCE_SECONDS * 2**self._own_silences, LONGEST_OWN_SILENCE_SECONDS)
            self._own_silences = min(self._own_silences + 1, 10)
        if asked >= SHORTEST_SILENCE_SECONDS:
            until = max(now + asked, self.standing.until or 0.0)
            self._change(Verdict.SILENT, now, error, until)

    def _hear_fault(self, error: LlmError, subject: str, now: float) -> None:
        self._failures.add(error, subject)
        if self._failures.means_down and not self.standing.waits_seconds(now):
            self._change(Verdict.DOWN, now, error)

    def _hear_sign_of_life(self, begun_at: float, now: float) -> None:
        """An answer that refuses what was asked: the server is there."""
        self._failures = Streak()
        if self.standing.verdict is Verdict.DOWN and begun_at >= self.standing.since:
            self._change(Verdict.WELL, now, None)

    def _change(self, verdict: Verdict, now: float, error: LlmError | None, until: float | None = None) -> None:
        """Note a verdict; one that stands already keeps its beginning and takes the newer words."""
        old = self.standing
        changed_at = max(now, old.changed_at + 0.001)  # another machine's clock may be ahead
        self.standing = Standing(
            verdict,
            old.since if old.verdict is verdict else now,
            changed_at,
            until,
            cut_text(error.message, LONGEST_WORDS_CHARACTERS) if error else None,
            error.failure_class.value if error else None,
            error.upstream_status if error else None,
        )
