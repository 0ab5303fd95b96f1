"""A worker that is frozen for a minute with fifty streams: another one goes on with them."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.interactive import open_bench
from tests.support.reaper import running_reaper
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, story_for
from tests.support.worker_process import WorkerProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
STREAMS = 50
PLACES = 64
"""Of a worker: one project gets 60 of them."""
FROZEN_SECONDS = 60.0
GO_ON_SECONDS = 15.0


async def test_fifty_streams_of_a_frozen_worker_go_on(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(tokens_per_second=1)
    places = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    async with (
        open_bench(database_url, redis_url) as bench,
        WorkerProcess(tmp_path, **places, concurrency=PLACES, name="frozen") as frozen,
        running_reaper(tmp_path, **places),
    ):
        prompts = [f"故事 {number}" for number in range(STREAMS)]
        ids = await bench.submit(*prompts)
        await eventually(lambda: sum(call.tokens_sent > 3 for call in upstream.calls) == STREAMS, timeout_seconds=60)
        async with WorkerProcess(tmp_path, **places, concurrency=PLACES, name="second"):
            frozen.send_signal(signal.SIGSTOP)
            frozen_at = time.monotonic()
            await eventually(
                lambda: sum(call.tokens_sent > 0 for call in upstream.calls[STREAMS:]) == STREAMS,
                timeout_seconds=120,
                what="the streams to go on",
            )
            gone_on = time.monotonic() - frozen_at
            await asyncio.sleep(max(0.0, FROZEN_SECONDS - (time.monotonic() - frozen_at)))
            frozen.send_signal(signal.SIGCONT)
            rows = await bench.wait_until_over(*ids, timeout_seconds=180)
            for row, prompt in zip(sorted(rows, key=lambda row: ids.index(row.id)), prompts, strict=True):
                assert (row.status, row.text) == ("succeeded", story_for({"prompt": prompt}))
                await bench.assert_stream_equals_row(row)
    print(f"\n{STREAMS} streams of a frozen worker went on after {gone_on:.1f} s")
    assert len(upstream.calls) == 2 * STREAMS
    assert gone_on <= GO_ON_SECONDS * PATIENCE
