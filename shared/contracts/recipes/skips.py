"""Cells that a recipe leaves out, counted and found without laying the grid out.

A constraint names attributes and values; a cell that has one of the values in each of them is skipped:

{"dynasty": ["唐", "宋"], "weapon": "枪"}          no guns in 唐 and 宋
{"weapon": "枪", "dynasty": {"not": ["清"]}}       guns in 清 alone

Axis by axis, all that matters of the values chosen so far is which constraints still hold. So the cells behind each
such state are counted once, and a cell is found by walking down the counts, whatever the size of the grid."""

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final

from shared.contracts.recipes.axis import Axis, RangeValues, Scalar, WeightedValues
from shared.contracts.recipes.errors import GridError

MAX_CONSTRAINTS: Final = 200
MAX_NAMED_VALUES: Final = 10_000
"""In all constraints together."""
MAX_COUNTED: Final = 200_000
"""Stretches of values × states that are counted: a few tenths of a second. Real recipes have some hundred."""

FindSpan = Callable[[Any], tuple[int, int] | None]
"""Of a value: its first place on the axis, and how many it takes; None when it is none of the axis."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbours on an axis of which the same constraints hold."""

    start: int
    length: int
    holds: int
    """One bit a constraint."""


@dataclass(frozen=True, slots=True)
class AllowedCells:
    """The cells of a grid that no constraint skips, in the grid's order."""

    stretches: Sequence[Sequence[Stretch]]
    """Of each axis."""
    ends: Sequence[Mapping[int, Sequence[int]]]
    """Of each axis, by the constraints that hold before it: the allowed cells up to the end of each stretch."""
    all_holding: int

    @property
    def count(self) -> int:
        """How many cells are left."""
        return self._count_behind(0, self.all_holding)

    def find(self, index: int) -> list[int]:
        """Return the places on all axes of the cell that is `index`th of those that are left."""
        places, holding = [], self.all_holding
        for axis, stretches in enumerate(self.stretches):
            ends = self.ends[axis][holding]
            at = bisect.bisect_right(ends, index)
            index -= ends[at - 1] if at else 0
            holding &= stretches[at].holds
            place, index = divmod(index, self._count_behind(axis + 1, holding))
            places.append(stretches[at].start + place)
        return places

    def _count_behind(self, axis: int, holding: int) -> int:
        if axis == len(self.ends):
            return int(holding == 0)
        return self.ends[axis][holding][-1]


def read_skips(axes: Sequence[Axis], constraints: Sequence[Mapping[str, Any]]) -> AllowedCells:
    """Return the cells that constraints leave. Raises: GridError that names constraint and attribute; also when no cell
    is left."""
    if len(constraints) > MAX_CONSTRAINTS:
        raise _error("skip", f"at most {MAX_CONSTRAINTS} constraints, not {len(constraints)}")
    named = sum(len(_list_values(spec)) for constraint in constraints for spec in constraint.values())
    if named > MAX_NAMED_VALUES:
        raise _error("skip", f"all constraints together name at most {MAX_NAMED_VALUES} values, not {named}")
    names = {axis.name for axis in axes}
    for number, constraint in enumerate(constraints):
        if not constraint:
            raise _error(f"skip.{number}", "a constraint names at least one attribute; an empty one would skip all")
        for name in constraint:
            if name not in names:
                known = ", ".join(sorted(names)) or "none"
                raise _error(f"skip.{number}.{name}", f"{name!r} is not among the attributes ({known})")
    stretches = [_read_stretches(axis, constraints) for axis in axes]
    allowed = _count_cells(stretches, (1 << len(constraints)) - 1)
    if allowed.count == 0:
        raise _error("skip", "the constraints together skip every cell of the grid")
    return allowed


def _count_cells(stretches: Sequence[Sequence[Stretch]], all_holding: int) -> AllowedCells:
    """Find the states that can be met going forward, count the cells behind each going back."""
    states, counted = [{all_holding}], 0
    for axis in stretches:
        counted += len(axis) * len(states[-1])
        if counted > MAX_COUNTED:
            raise _error("skip", "the constraints are too entangled to be counted; give fewer, or of fewer attributes")
        states.append({holding & stretch.holds for holding in states[-1] for stretch in axis})
    behind = {holding: int(holding == 0) for holding in states.pop()}
    ends: list[dict[int, Sequence[int]]] = []
    for axis in reversed(stretches):
        met = states.pop()
        ends.append(
            {
                holding: list(accumulate(stretch.length * behind[holding & stretch.holds] for stretch in axis))
                for holding in met
            }
        )
        behind = {holding: ends[-1][holding][-1] for holding in met}
    return AllowedCells(stretches, ends[::-1], all_holding)


def _read_stretches(axis: Axis, constraints: Sequence[Mapping[str, Any]]) -> list[Stretch]:
    find_span = _index_values(axis)
    usual, changes = 0, dict[tuple[int, int], int]()
    for number, constraint in enumerate(constraints):
        spec = constraint.get(axis.name)
        if spec is None or isinstance(spec, Mapping):  # it holds of every value, or of all but those named
            usual |= 1 << number
        if spec is None:
            continue
        for value in {_key(value): value for value in _list_values(spec)}.values():
            span = find_span(value)
            if span is None:
                place = f"skip.{number}.{axis.name}"
                raise _error(place, f"{str(value)[:100]!r} is not among the values of {axis.name!r}")
            changes[span] = changes.get(span, 0) ^ 1 << number
    return _join_stretches(axis.length, usual, changes)


def _join_stretches(length: int, usual: int, changes: Mapping[tuple[int, int], int]) -> list[Stretch]:
    found: list[Stretch] = []
    upto = 0
    for (start, taken), bits in sorted(changes.items()):
        if start > upto:
            found.append(Stretch(upto, start - upto, usual))
        found.append(Stretch(start, taken, usual ^ bits))
        upto = start + taken
    if upto < length:
        found.append(Stretch(upto, length - upto, usual))
    return found


def _list_values(spec: Any) -> Sequence[Scalar]:
    values = spec["not"] if isinstance(spec, Mapping) else spec
    return values if isinstance(values, list) else [values]


def _index_values(axis: Axis) -> FindSpan:
    values = axis.values
    if isinstance(values, RangeValues):
        return lambda value: _find_in_range(values, axis.length, value)
    if isinstance(values, WeightedValues):
        starts = (0, *values.ends)
        spans = {_key(value): (starts[at], starts[at + 1] - starts[at]) for at, value in enumerate(values.values)}
    else:
        spans = {_key(value): (at, 1) for at, value in enumerate(values)}
    return lambda value: spans.get(_key(value))


def _find_in_range(values: RangeValues, length: int, value: Any) -> tuple[int, int] | None:
    if isinstance(value, bool | str):
        return None
    place = (Decimal(str(value)) - Decimal(values.start)) / Decimal(values.step)
    return (int(place), 1) if place == int(place) and 0 <= place < length else None


def _key(value: Scalar) -> tuple[bool, Scalar]:
    """1 and 1.0 are the same value; true is another."""
    return isinstance(value, bool), value


def _error(place: str, message: str) -> GridError:
    return GridError(f"{place}: {message}.", param=place)
