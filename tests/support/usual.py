"""Cases as test parameters: a few stand for all in `make test`, all of them run in `make test-slow`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def mark_unusual(cases: Iterable[Any], usual: Collection[Any]) -> list[Any]:
    """Return a parameter a case, with the marker `slow` where it is not among the usual ones."""
    return [pytest.param(case, marks=() if case in usual else pytest.mark.slow) for case in cases]
