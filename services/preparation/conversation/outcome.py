"""The outcome of one check, in the public tool's vocabulary."""

from collections.abc import Callable
from dataclasses import dataclass

from services.preparation.fixes.fix_plan import Fix


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """`message` is printed at once; `necessary` was acted upon; `recommended` is asked about, then `fix` is applied.

    `on_apply` returns a text to print when the fix is applied, given the codes applied before it.
    """

    name: str
    message: str | None = None
    necessary: str | None = None
    recommended: str | None = None
    fix: Fix | None = None
    error: str | None = None
    on_apply: Callable[[tuple[str, ...]], str] | None = None
