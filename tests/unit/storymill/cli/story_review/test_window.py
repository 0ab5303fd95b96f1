"""A list of any length is held a few pages at a time, forth and back."""

import random
from typing import Any

from storymill.cli.story_review.window import MOST_HELD, PAGE, StoryWindow

ROWS = 1_000_000


def answer(query: dict[str, Any], rows: int = ROWS) -> dict[str, Any]:
    """A page as the API gives it: rows behind the cursor, in the order asked for."""
    limit, descending = query["limit"], query["order"] == "desc"
    start = int(query["after"]) + (-1 if descending else 1) if "after" in query else (rows - 1 if descending else 0)
    ids = range(start, -1, -1) if descending else range(start, rows)
    return {"data": [{"id": str(one)} for one in ids[:limit]], "has_more": len(ids) > limit}


def read_on(window: StoryWindow, rows: int = ROWS) -> None:
    """Fetch what is missing, as a review does."""
    while (side := window.find_missing()) is not None:
        window.add(side, answer(window.ask(side), rows))


def test_every_story_is_read_once_in_its_order_forth_and_back() -> None:
    window = StoryWindow(generation_id="gen_1")
    read_on(window, 1000)
    seen = [window.story]
    for step in (1, -1):
        while window.move(step):
            seen.append(window.story)
            read_on(window, 1000)
            assert len(window.stories) <= MOST_HELD + PAGE
    assert [int(story["id"]) for story in seen if story] == [*range(1000), *range(998, -1, -1)]


def test_a_million_rows_take_no_more_than_a_thousand(chance: random.Random) -> None:
    window = StoryWindow(status="succeeded")
    for place in (ROWS - 1, 0, chance.randrange(ROWS)):
        window.begin_at({"id": str(place)})
        read_on(window)
        for _ in range(2000):
            window.move(chance.choice((1, 1, 1, -1)))
            read_on(window)
            assert len(window.stories) <= MOST_HELD + PAGE
        ids = [int(story["id"]) for story in window.stories]
        assert ids == list(range(ids[0], ids[0] - len(ids), -1))


def test_an_empty_list_asks_once() -> None:
    window = StoryWindow(review="accepted", status="")
    assert window.ask("after") == {"review": "accepted", "order": "desc", "limit": PAGE}
    window.add("after", {"data": [], "has_more": False})
    assert (window.story, window.find_missing(), window.move(1)) == (None, None, False)
