"""A row that takes its workers with it: after how many in a row it is given up, and in what words."""

from typing import Final

MOST_DEATHS: Final = 30
"""Workers lost in a row without an outcome in between. Generous: machines that die for reasons of their own must not
cost a row."""
SUSPECT_DEATHS: Final = 3
"""From then on a row of many is tried at moments of its own, so that those beside it do not die with it."""


def say_worker_died(count: int) -> str:
    """Return why a row was given up, for its owner."""
    return f"Its worker died {count} times while it worked on it."
