"""A provider's events, new ones only, in the order of the story, whatever order and number they come in."""

from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import UpstreamEvent
from shared.stores.db.repositories.fine_tuning_events import find_upstream_event_ids


class EventFeed:
    """What is known of one job's events. Nothing counts as known before it is committed."""

    def __init__(self, held: HeldJob, upstream_id: str, known: set[str]) -> None:
        self._held = held
        self._upstream_id = upstream_id
        self._known = known

    @classmethod
    async def open(cls, held: HeldJob, upstream_id: str) -> "EventFeed":
        """Return the feed of a job, with what is stored of it."""
        async with held.context.database.transaction() as session:
            return cls(held, upstream_id, await find_upstream_event_ids(session, held.id))

    async def read_new(self, *, to_the_end: bool) -> list[UpstreamEvent]:
        """Return the events that are not known. Reads back page by page until one brings nothing new, or through
        all of them: at the end of a job, so that none is missed that came out of order."""
        if not self._held.provider.capabilities.events:
            return []
        found: dict[str, UpstreamEvent] = {}
        after, pages = None, set[str]()
        while True:
            page = await self._held.provider.list_events(self._upstream_id, after)
            fresh = {event.id: event for event in page.events if event.id not in self._known and event.id not in found}
            found |= fresh
            if page.after is None or page.after in pages or not (fresh or to_the_end):
                break
            pages.add(page.after)
            after = page.after
        # They come newest first; within a second that order is all there is.
        oldest_first = list(found.values())[::-1]
        return sorted(oldest_first, key=lambda event: event.created_at)

    def note_stored(self, events: list[UpstreamEvent]) -> None:
        """These are committed."""
        self._known |= {event.id for event in events}
