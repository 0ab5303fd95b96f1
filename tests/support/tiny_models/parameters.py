"""Families as test parameters: the usual ones in every run, the others with the marker `slow`."""

from typing import Any

from tests.support.tiny_models.families import USUAL, Verdict, find_families
from tests.support.usual import mark_unusual


def family_parameters(*verdicts: Verdict) -> list[Any]:
    """Return one parameter a family with one of these verdicts."""
    return mark_unusual(find_families(*verdicts), USUAL)
