"""How far a run is reviewed: counted once by the gateway, then by what is decided here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storymill.client.rest import Api

Json = dict[str, Any]


@dataclass(slots=True)
class ReviewProgress:
    """`reviewed` and `finished` are None where nobody counts: beyond one run, or in too large a grid."""

    reviewed: int | None = None
    finished: int | None = None
    here: int = 0
    """Decisions of this sitting."""

    def count(self, before: str | None, after: str | None) -> None:
        """Take a verdict into account."""
        step = (after is not None) - (before is not None)
        self.here += step
        if self.reviewed is not None:
            self.reviewed += step

    def describe(self) -> str:
        """Return `12 reviewed, 88 left`."""
        if self.reviewed is None or self.finished is None:
            return f"{self.here:,} reviewed here"
        return f"{self.reviewed:,} reviewed, {max(self.finished - self.reviewed, 0):,} left"


def count_reviews(api: Api, generation_id: str) -> tuple[int, int] | None:
    """Return how many stories of a run are reviewed, and how many are written; None for a grid too large to
    be counted. Raises: ClientError when the run is gone or the mill cannot be reached."""
    path = f"/generations/{generation_id}/coverage"
    found = api.get(path)
    if found["has_more"]:
        found = api.get(path, x=found["attributes"][0])
    if found["has_more"] or not found["cells"]:
        return None
    cells: list[Json] = found["cells"]
    return total(cells, "accepted", "refused"), total(cells, "succeeded")


def total(cells: list[Json], *names: str) -> int:
    """Return the sum of counts of cells."""
    return sum(cell[name] for cell in cells for name in names)


def name_run(run: Mapping[str, Any]) -> str:
    """Return what a run is called by where its id says nothing."""
    return f"{run['recipe']['name']} v{run['recipe']['version']}"
