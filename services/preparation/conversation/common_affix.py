"""The longest ending or beginning that all texts of a column share, kept up batch by batch."""

from dataclasses import dataclass


def count_common(one: str, other: str, *, at_end: bool) -> int:
    """Return how many characters both begin with, or end in: by halving, so that long texts cost their length and not
    its square."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if at_end:
            is_equal = one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]
        else:
            is_equal = one[low:middle] == other[low:middle]
        low, high = (middle, high) if is_equal else (low, middle - 1)
    return low


@dataclass(slots=True)
class CommonSuffix:
    """`text` is None until a row was seen, then the longest common suffix so far."""

    text: str | None = None

    def observe(self, column: list[str]) -> None:
        """Take in more rows."""
        shared = self.text
        for value in column:
            if shared is None:
                shared = value
                continue
            if not value.endswith(shared):
                shared = shared[len(shared) - count_common(shared, value, at_end=True) :]
            if not shared:
                break
        self.text = shared


@dataclass(slots=True)
class CommonPrefix:
    """`text` is None until a row was seen, then the longest common prefix so far."""

    text: str | None = None

    def observe(self, column: list[str]) -> None:
        """Take in more rows."""
        shared = self.text
        for value in column:
            if shared is None:
                shared = value
                continue
            if not value.startswith(shared):
                shared = shared[: count_common(shared, value, at_end=False)]
            if not shared:
                break
        self.text = shared
