"""What stands beside a stream's text, each with its place in it: so frames keep the provider's order."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
Placed = tuple[int, Json]
"""Code points of the stream's text before a raw choice delta, and the delta: it comes before the text at its place."""


def place_all(extra: Sequence[Json], places: Sequence[int], end: int) -> tuple[Placed, ...]:
    """Return deltas with their places. Workers of earlier versions tell none: theirs stand at `end`, behind it."""
    return tuple(zip(places if len(places) == len(extra) else [end] * len(extra), extra, strict=True))


def write_placed(wire: Json, extra: Sequence[Json], places: Sequence[int]) -> Json:
    """Return a frame's JSON object with what stands beside its text."""
    if not extra:
        return wire
    return {**wire, "e": list(extra), "eo": list(places)} if places else {**wire, "e": list(extra)}


def read_placed(wire: Json) -> tuple[tuple[Json, ...], tuple[int, ...]]:
    """Return what stands beside the text of a frame, and the places, if they are told."""
    return tuple(wire.get("e", ())), tuple(wire.get("eo", ()))
