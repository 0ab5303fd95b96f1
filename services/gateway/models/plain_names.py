"""Names that a moment ago were a provider's own models, and nothing of the project's: looked up once every few seconds
instead of with each text. They cannot become aliases, since a name that a model has is refused."""

import time
from typing import Final

REMEMBER_SECONDS: Final = 5.0
MOST_NAMES: Final = 10_000


class PlainNames:
    """One per process."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Say whether a project's name was plain within the last seconds."""
        return self._until.get(key, 0.0) > time.monotonic()

    def add(self, project_id: str, name: str) -> None:
        """Remember a name for a while."""
        if len(self._until) >= MOST_NAMES:
            self._until.clear()
        self._until[project_id, name] = time.monotonic() + REMEMBER_SECONDS
