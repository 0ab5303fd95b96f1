"""Families as test parameters: the usual ones in every run, the others with the marker `slow`."""

from typing import Any

import pytest

from tests.support.tiny_models.families import USUAL, Verdict, find_families


def family_parameters(*verdicts: Verdict) -> list[Any]:
    """Return one parameter a family with one of these verdicts."""
    return [
        pytest.param(name, id=name, marks=() if name in USUAL else pytest.mark.slow)
        for name in find_families(*verdicts)
    ]
