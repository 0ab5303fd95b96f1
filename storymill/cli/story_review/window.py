"""The stories that are held of a list of any length: some pages around the one that is read.

Pages before and after are found by the cursors of the API: a story that was judged, and so left the filter, is no
hole. Knows no terminal and no network."""

from collections import deque
from typing import Any, Final, Literal

Json = dict[str, Any]
Side = Literal["before", "after"]

PAGE: Final = 50
MOST_HELD: Final = 6 * PAGE
"""Stories in memory, whatever the list's length."""
AHEAD: Final = PAGE // 2
"""So many before its end the next page is asked for."""
TURNED: Final = {"asc": "desc", "desc": "asc"}


class StoryWindow:
    """A list under one filter, and the place in it that is read."""

    def __init__(self, **query: str | None) -> None:
        self.query = {name: value for name, value in query.items() if value}
        self.order = "asc" if "generation_id" in self.query else "desc"
        self.stories: deque[Json] = deque()
        self.place = 0
        self.has_before = False
        self.has_after = True

    @property
    def story(self) -> Json | None:
        """The one that is read."""
        return self.stories[self.place] if self.stories else None

    def begin_at(self, story: Json) -> None:
        """Hold this story alone; its neighbours are asked for again."""
        self.stories = deque([story])
        self.place = 0
        self.has_before = self.has_after = True

    def find(self, story_id: str) -> int | None:
        """Return the place of a story that is held."""
        return next((place for place, story in enumerate(self.stories) if story["id"] == story_id), None)

    def move(self, step: int) -> bool:
        """Read the story so many places on; say whether that is another one."""
        before = self.place
        self.place = max(0, min(len(self.stories) - 1, self.place + step))
        return self.place != before

    def put(self, story: Json) -> None:
        """Take a story as it is now."""
        place = self.find(story["id"])
        if place is not None:
            self.stories[place] = story

    def find_missing(self) -> Side | None:
        """Return on which side a page is wanted, if on any."""
        if self.has_after and len(self.stories) - self.place <= AHEAD:
            return "after"
        return "before" if self.has_before and self.place < AHEAD else None

    def ask(self, side: Side) -> Json:
        """Return the query of the page on a side."""
        order = self.order if side == "after" else TURNED[self.order]
        query: Json = {**self.query, "order": order, "limit": PAGE}
        if self.stories:
            query["after"] = self.stories[-1 if side == "after" else 0]["id"]
        return query

    def add(self, side: Side, page: Json) -> None:
        """Take a page, and let go of stories at the other end."""
        if side == "after":
            self.stories.extend(page["data"])
            self.has_after = page["has_more"]
            while len(self.stories) > MOST_HELD and self.place > 0:
                self.stories.popleft()
                self.place -= 1
                self.has_before = True
            return
        self.stories.extendleft(page["data"])
        self.place += len(page["data"])
        self.has_before = page["has_more"]
        while len(self.stories) > MOST_HELD and self.place < len(self.stories) - 1:
            self.stories.pop()
            self.has_after = True
