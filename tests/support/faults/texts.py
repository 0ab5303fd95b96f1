"""Texts and runs: completions, generations and the expansion of a large run."""

import psycopg

from shared.contracts.queue.messages import ExpandGeneration
from tests.support.faults.case import Fault, assert_count, is_leased, send
from tests.support.faults.mill import EXPANDED_ROWS, FIRST_STORIES, STORY_MARKER, FaultMill
from tests.support.upstream_script import story_for

STORIES = 6


class Completion:
    name = "completion"
    is_patient = True
    marker = "completion of a text"

    async def submit(self, mill: FaultMill) -> None:
        [mill.ids[self.name]] = await mill.interactive.submit(self.marker, max_tokens=200)

    async def is_held(self, mill: FaultMill) -> bool:
        return await is_leased(mill, "completion", mill.ids[self.name]) and bool(mill.find_calls(self.marker))

    async def is_over(self, mill: FaultMill) -> bool:
        row = await mill.interactive.row(mill.ids[self.name])
        calls = await mill.attempts([row.id])
        return row.status == "succeeded" and row.end_published and all(call.outcome != "sent" for call in calls)

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        row = await mill.interactive.row(mill.ids[self.name])
        assert (row.status, row.text) == ("succeeded", story_for({"prompt": self.marker}))
        assert row.attempt == (2 if fault.repeats else 1)
        await mill.interactive.assert_stream_equals_row(row)
        assert_count(len(mill.find_calls(self.marker)), 1, fault, in_flight=1)
        await mill.assert_books_agree([row.id], self.marker)


class Generation:
    name = "generation"
    is_patient = True
    marker = STORY_MARKER

    async def submit(self, mill: FaultMill) -> None:
        mill.ids[self.name] = await mill.volume.submit(FIRST_STORIES + STORIES)

    async def is_held(self, mill: FaultMill) -> bool:
        return (
            len(mill.find_calls(self.marker)) - FIRST_STORIES
            == STORIES
            == await mill.volume.count_stories(mill.ids[self.name], "running")
        )

    async def is_over(self, mill: FaultMill) -> bool:
        run_id = mill.ids[self.name]
        is_settled = all(attempt.outcome != "sent" for attempt in await mill.volume.attempts(run_id))
        return (await mill.volume.run(run_id)).status == "succeeded" and is_settled

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        stories = await mill.volume.stories(mill.ids[self.name])
        assert len({story.text for story in stories}) == FIRST_STORIES + STORIES
        assert {story.status for story in stories} == {"succeeded"}
        assert_count(len(mill.find_calls(self.marker)) - FIRST_STORIES, STORIES, fault, in_flight=STORIES)
        await mill.volume.assert_counters_exact(mill.ids[self.name])
        await mill.assert_books_agree([story.id for story in stories], self.marker)


class Expansion:
    name = "expansion"
    is_patient = True

    async def submit(self, mill: FaultMill) -> None:
        """Its run's row is locked here: the worker waits in the middle of a chunk until the gate opens."""
        grid = {"word": ["expansion"], "number": {"range": [1, EXPANDED_ROWS]}}
        run_id = await mill.volume.add(
            EXPANDED_ROWS,
            template="{{ word }} {{ number }}",
            attributes=grid,
            expanded=False,
            requests_per_minute=1,
        )
        mill.ids[self.name] = run_id
        mill.expansion = await psycopg.AsyncConnection.connect(mill.database_url)
        await mill.expansion.execute("select 1 from generation where id = %s for no key update", [run_id])
        await send(mill, ExpandGeneration(run_id))

    async def is_held(self, mill: FaultMill) -> bool:
        statement = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%set expanded%'"
        )
        return bool(await mill.read(statement))

    async def is_over(self, mill: FaultMill) -> bool:
        return (await mill.volume.run(mill.ids[self.name])).expanded == EXPANDED_ROWS

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        run_id = mill.ids[self.name]
        statement = "select count(*) || ' ' || count(distinct position) from story where generation_id = :id"
        assert await mill.read(statement, id=run_id) == f"{EXPANDED_ROWS} {EXPANDED_ROWS}"
        assert len(mill.find_calls("expansion")) <= 2, "one a minute"
