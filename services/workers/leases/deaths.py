"""A row that takes its workers with it, or meets a defect of ours at every claim: how often that may happen in a row,
and in what words the row is given up."""

from typing import Final

MOST_DEATHS: Final = 30
"""Workers lost in a row without an outcome in between. Generous: machines that die for reasons of their own must not
cost a row."""
SUSPECT_DEATHS: Final = 3
"""From then on a row of many is tried at moments of its own, so that those beside it do not die with it."""


def say_worker_died(count: int, defect: str | None = None) -> str:
    """Return why a row was given up, for its owner; `defect` is the name of one that ended such a claim."""
    died = f"died or met a defect of this service ({defect})" if defect else "died"
    return f"Its worker {died} {count} times while it worked on it."
