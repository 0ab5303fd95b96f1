"""One attribute of a recipe and its values, never laid out in memory: a list, a range, or weighted values.

["唐", "宋"]                     the values
{"range": [1, 10, 3]}           1, 4, 7, 10: from, to (included when hit), step
{"weighted": {"唐": 3, "宋": 1}}  唐 takes three of four places on the axis
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any, Final

from shared.contracts.recipes.errors import GridError

Scalar = str | int | float | bool

MAX_VALUES: Final = 10_000
"""Values in a list or weighted axis; a range may be longer."""
MAX_VALUE_CHARACTERS: Final = 4_096
MAX_WEIGHT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Axis:
    """A named sequence of values, indexed without being built."""

    name: str
    length: int
    values: "Sequence[Scalar] | RangeValues | WeightedValues"

    def value(self, index: int) -> Scalar:
        """Return the value at a place, 0 … length−1."""
        return self.values[index]

    def longest_value(self) -> Scalar:
        """Return a value with the longest text; for a range, the longer one of its ends."""
        if isinstance(self.values, RangeValues):
            candidates: Sequence[Scalar] = (self.value(0), self.value(self.length - 1))
        else:
            candidates = self.values.values if isinstance(self.values, WeightedValues) else self.values
        return max(candidates, key=lambda value: len(str(value)))


@dataclass(frozen=True, slots=True)
class RangeValues:
    """Numbers at a constant distance."""

    start: int | Decimal
    step: int | Decimal

    def __getitem__(self, index: int) -> int | float:
        number = self.start + index * self.step
        return number if isinstance(number, int) else float(number)


@dataclass(frozen=True, slots=True)
class WeightedValues:
    """Values that take several places each."""

    values: tuple[Scalar, ...]
    ends: tuple[int, ...]
    """Place after the last one of each value."""

    def __getitem__(self, index: int) -> Scalar:
        return self.values[bisect.bisect_right(self.ends, index)]


def read_axis(name: str, spec: Any) -> Axis:
    """Return the axis that an attribute's specification means. Raises: GridError that names the attribute."""
    if isinstance(spec, list):
        values = _check_values(name, spec)
        return Axis(name, len(values), values)
    if isinstance(spec, dict) and set(spec) == {"range"}:
        return _read_range(name, spec["range"])
    if isinstance(spec, dict) and set(spec) == {"weighted"}:
        return _read_weighted(name, spec["weighted"])
    raise _error(
        name,
        'give a list of values, {"range": [from, to, step]}, {"weighted": {value: weight}}, '
        '{"file": id, "column": name} or {"stories": generation}',
    )


def _read_range(name: str, bounds: Any) -> Axis:
    numbers = bounds if isinstance(bounds, list) else []
    if len(numbers) not in {2, 3} or not all(_is_number(number) for number in numbers):
        raise _error(name, "a range is [from, to] or [from, to, step], all numbers")
    exact = [number if isinstance(number, int) else Decimal(str(number)) for number in numbers]
    start, stop = exact[:2]
    step = exact[2] if len(exact) == 3 else 1
    if step == 0 or (stop - start) * step < 0:
        raise _error(name, "the range is empty: its step must lead from the first number to the second")
    try:
        steps = int((stop - start) // step)
    except InvalidOperation as error:
        raise _error(name, "the range has more values than can be counted") from error
    return Axis(name, steps + 1, RangeValues(start, step))


def _read_weighted(name: str, weights: Any) -> Axis:
    pairs = list(weights.items()) if isinstance(weights, dict) else weights
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise _error(name, "weighted values are an object, value → weight, or a list of pairs [value, weight]")
    if not all(_is_number(weight) and isinstance(weight, int) and 1 <= weight <= MAX_WEIGHT for _, weight in pairs):
        raise _error(name, f"a weight is a whole number from 1 to {MAX_WEIGHT}")
    values = _check_values(name, [value for value, _ in pairs])
    ends = tuple(accumulate(weight for _, weight in pairs))
    return Axis(name, ends[-1], WeightedValues(values, ends))


def count_values(spec: Any) -> int:
    """Return how long the axis of a stored specification is, without checking every value again."""
    if isinstance(spec, list):
        return len(spec)
    if "weighted" in spec:
        return sum(weight for _, weight in spec["weighted"])
    return _read_range("", spec["range"]).length


def to_stored_spec(spec: Any) -> Any:
    """Return an attribute's specification as it is stored: JSONB forgets the order of an object's keys, and the
    order of weighted values decides which cell is which."""
    if isinstance(spec, dict) and isinstance(spec.get("weighted"), dict):
        return {**spec, "weighted": [list(pair) for pair in spec["weighted"].items()]}
    return spec


def _check_values(name: str, values: list[Any]) -> tuple[Scalar, ...]:
    if not 1 <= len(values) <= MAX_VALUES:
        raise _error(name, f"an attribute has 1 to {MAX_VALUES} values, not {len(values)}")
    for value in values:
        if not isinstance(value, str | int | float | bool) or (isinstance(value, float) and not math.isfinite(value)):
            raise _error(name, "a value is a text, a number or a boolean")
        if isinstance(value, str) and len(value) > MAX_VALUE_CHARACTERS:
            raise _error(name, f"a value has at most {MAX_VALUE_CHARACTERS} characters")
    if len({(type(value), value) for value in values}) != len(values):
        raise _error(name, 'the same value stands twice; {"weighted": {value: weight}} repeats a value')
    return tuple(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _error(name: str, message: str) -> GridError:
    return GridError(f"attributes.{name}: {message}.", param=f"attributes.{name}")
