"""How many calls a run may have under way before its provider has shown that it takes them: the first goes alone, each
success doubles; where the provider has just answered others, a handful goes at once. What is refused from the start
is the recipe's doing, not a row's. Knows no provider's state."""

import time
from collections.abc import Sequence
from typing import Any, Final

from services.workers.generation.retry_policy import RECIPE_CLASSES, speaks_of_one_row
from services.workers.providers.verdict import EXCUSES, Verdict
from shared.outside.providers.failures import FailureClass, LlmError

SAME_REFUSALS: Final = 3
"""The same refusal so often, without a success, is the recipe's."""
MOST_REFUSALS: Final = 12
"""Or so many different ones."""
WARM_WINDOW: Final = 16
"""For a provider that has just answered others well, or is our own engine: a refused recipe or an account that was
emptied since costs so many calls at most, and a small run none of its time."""
FULL_WINDOW: Final = 1024
"""More than any process has slots."""
EXCUSE: Final = "recipe_refused"
"""As the books call a call that was refused before the run had a success: no failure of its row."""

Signature = tuple[int | None, str | None, str | None]


class RunTrust:
    """One run in one process. A run that is resumed begins anew: what was wrong may still be."""

    def __init__(self, *, is_proven: bool, is_warm: bool = False, rows_are_alike: bool = True) -> None:
        self.is_proven = is_proven
        """Whether its provider has answered it well, as it is asked now."""
        self.window = FULL_WINDOW if is_proven else WARM_WINDOW if is_warm else 1
        self.begun_at = time.time()
        """From when on its patience counts, at the earliest."""
        self.has_tried = is_proven
        """Whether a call of it has been answered in any way: until then it may try what others were refused."""
        self._rows_are_alike = rows_are_alike
        """Else a refusal is a row's own: no recipe has made its request."""
        self._refusals: dict[Signature, int] = {}

    def take_success(self) -> None:
        """Let more calls be made."""
        self.is_proven = self.has_tried = True
        self.window = min(self.window * 2, FULL_WINDOW)
        self._refusals.clear()

    def take_failure(self, error: LlmError) -> str | None:
        """Note a failed call; return how the books call it if it is the recipe's and not its row's."""
        self.has_tried = True
        if error.failure_class is FailureClass.AUTHENTICATION and not self.is_proven:
            return EXCUSES[Verdict.KEY_REFUSED]
        is_recipes = self._rows_are_alike and error.failure_class in RECIPE_CLASSES and not speaks_of_one_row(error)
        if self.is_proven or not is_recipes:
            return None
        self.window = 1  # what goes wrong for one may go wrong for all: ask slowly now
        signature = (error.upstream_status, error.code, error.param)
        self._refusals[signature] = self._refusals.get(signature, 0) + 1
        return EXCUSE

    def tell_refusals(self) -> list[tuple[int | None, str | None, str | None, int]]:
        """Return what was refused and how often, for the process that asks next."""
        return [(*signature, calls) for signature, calls in self._refusals.items()]

    def hear_refusals(self, told: Sequence[Sequence[Any]]) -> None:
        """Count what another process was refused in this run. What was told before by this one is counted once."""
        for status, code, param, calls in told:
            signature = (status, code, param)
            self._refusals[signature] = max(self._refusals.get(signature, 0), calls)
            self.has_tried, self.window = True, 1

    @property
    def recipe_is_refused(self) -> bool:
        """Whether to ask on would only cost more refusals."""
        counts = self._refusals.values()
        return max(counts, default=0) >= SAME_REFUSALS or sum(counts) >= MOST_REFUSALS
