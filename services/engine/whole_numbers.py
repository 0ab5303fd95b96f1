"""What counts as a whole number in a body: any number without a fraction, however it is spelled."""

from typing import Any, Final

LARGEST_EXACT: Final = 2**53


def to_whole(value: Any) -> Any:
    """Return the integer that a float stands for, as far as it stands for one alone; anything else as it is. Clients
    whose language has one kind of number send `20.0` for 20."""
    is_whole = type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT
    return int(value) if is_whole else value
