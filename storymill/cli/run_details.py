"""What a run's view tells beside its counts: the cells that are filled, and why stories did not succeed. Asked
seldom, since the mill reads the run's rows for it."""

import time
from typing import Any, Final

from storymill.client.errors import ClientError
from storymill.client.rest import Api

LEAST_PAUSE_SECONDS: Final = 5.0
PAUSE_FACTOR: Final = 30
"""Between two questions so many times what the last answer took: a large run is asked for more seldom."""


class RunDetails:
    """Of one run that is watched."""

    def __init__(self, api: Api, generation_id: str) -> None:
        self._api = api
        self._path = f"/generations/{generation_id}"
        self._ask_at = 0.0
        self._said: list[str] = []

    def look(self, generation: dict[str, Any]) -> list[str]:
        """Return what there is to say; of a run that has just begun, or is over, nothing."""
        counts = generation["counts"]
        if (
            counts["succeeded"] + counts["failed"] + counts["rejected"] == 0
            or counts["queued"] + counts["running"] == 0
        ):
            return []
        begun = time.monotonic()
        if begun >= self._ask_at:
            self._said = self._ask(generation)
            taken = time.monotonic() - begun
            self._ask_at = begun + max(LEAST_PAUSE_SECONDS, PAUSE_FACTOR * taken)
        return self._said

    def _ask(self, generation: dict[str, Any]) -> list[str]:
        counts = generation["counts"]
        try:
            said = [] if generation.get("repeats", 1) == 1 else [describe_cells(self._api.get(f"{self._path}/cells"))]
            if counts["failed"] or counts["rejected"]:
                said += describe_failures(self._api.get(f"{self._path}/failures")["data"])
        except ClientError:  # the mill is away, or of an older release: who asks for the counts tells of it
            return self._said
        return said


def describe_cells(cells: dict[str, Any]) -> str:
    """Return how far the grid is filled."""
    return f"{cells['filled']:,} of {cells['total']:,} cells filled"


def describe_failures(classes: list[dict[str, Any]]) -> list[str]:
    """Return the stories that did not succeed, by class, the most frequent first."""
    return [f"{one['stories']:,} × {(one['failure_class'] or 'unknown').replace('_', ' ')}" for one in classes]
