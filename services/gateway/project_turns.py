"""One request of a project at a time where requests would otherwise wait for one another inside the database, each
with a connection that other projects need."""

import asyncio
from weakref import WeakValueDictionary


class ProjectTurns:
    """A lock for each project that somebody waits for."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, project_id: str) -> asyncio.Lock:
        """Return the project's lock, to be held while its turn lasts; it goes when nobody holds it any more."""
        return self._locks.setdefault(project_id, asyncio.Lock())
