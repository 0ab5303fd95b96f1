"""Batches: files of requests, answered by a run."""

import json

from shared.contracts.queue.messages import RunBatch
from shared.stores.db.models import Batch as BatchRow
from shared.stores.db.models import File
from shared.stores.db.repositories import batches
from shared.stores.db.repositories.batches import NewBatch
from tests.support.faults.case import Fault, add_rows, assert_count, send
from tests.support.faults.mill import FaultMill
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

LINES = 3


def prompt(number: int) -> str:
    """Return what a line asks."""
    return f"batch of lines {number}"


class Batch:
    name = "batch"
    is_patient = True
    marker = "batch of lines"

    async def submit(self, mill: FaultMill) -> None:
        """Its first call waits for the gate, and those that may go beside it."""
        lines = [
            {
                **{"custom_id": f"line-{number}", "method": "POST", "url": "/v1/completions"},
                "body": {"model": MODEL, "prompt": prompt(number), "max_tokens": 100},
            }
            for number in range(LINES)
        ]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        file_id = await add_rows(mill, content, purpose="batch")
        new = NewBatch(mill.interactive.project_id, mill.interactive.api_key_id, "/v1/completions", file_id, None)
        async with mill.database.transaction() as session:
            mill.ids[self.name] = await batches.add_batch(session, new)
        await send(mill, RunBatch(mill.ids[self.name]))

    async def row(self, mill: FaultMill) -> BatchRow:
        """Return the batch."""
        async with mill.database.transaction() as session:
            return await session.get_one(BatchRow, mill.ids[self.name])

    async def is_held(self, mill: FaultMill) -> bool:
        run_id = (await self.row(mill)).generation_id
        return bool(mill.find_calls(self.marker)) and await mill.volume.count_stories(run_id or "", "running") > 0

    async def is_over(self, mill: FaultMill) -> bool:
        row = await self.row(mill)
        if row.status != "completed" or row.generation_id is None:
            return False
        return all(attempt.outcome != "sent" for attempt in await mill.volume.attempts(row.generation_id))

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        row = await self.row(mill)
        assert row.generation_id is not None
        async with mill.database.transaction() as session:
            output = await session.get_one(File, row.output_file_id)
        answers = [json.loads(line) for line in b"".join(mill.objects.read_pieces(output.sha256)).splitlines()]
        assert [answer["custom_id"] for answer in answers] == [f"line-{number}" for number in range(LINES)]
        texts = [answer["response"]["body"]["choices"][0]["text"] for answer in answers]
        assert texts == [story_for({"prompt": prompt(number)}) for number in range(LINES)]
        assert row.error_file_id is None
        assert await mill.read("select count(*) from file where filename like :name", name=f"{row.id}%") == 1
        assert_count(len(mill.find_calls(self.marker)), LINES, fault, in_flight=LINES)
        await mill.volume.assert_counters_exact(row.generation_id)
        stories = await mill.volume.stories(row.generation_id)
        await mill.assert_books_agree([story.id for story in stories], self.marker)
