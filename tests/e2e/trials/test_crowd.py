"""Five thousand texts of one project, and ten other projects: each gets its share, and their first tokens come as on a
quiet worker."""

import asyncio
import os
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.interactive import InteractiveBench, open_bench
from tests.support.stack import eventually
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script, prompt_of
from tests.support.worker_process import WorkerProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
CROWD, OTHERS = 5_000, 10
PLACES = 32
ANSWER_SECONDS = 0.5
ROUNDS = 3
SHARED_TEXTS = 120
"""Of each other project, at once: enough that the shares show, too few to be over before they do."""
MOST_UNFAIR = 0.1


async def wait_for_first_token(bench: InteractiveBench, upstream: ScriptedUpstream, project: str, mark: str) -> float:
    """Ask for a text in a project's name; return after how many seconds its first token came."""
    prompt, asked_at = f"{project} {mark}", time.monotonic()
    await bench.submit(prompt, project_id=project)

    def find() -> Call | None:
        return next((call for call in upstream.calls_for(prompt) if call.first_byte_at is not None), None)

    call = await eventually(find, timeout_seconds=60, what="a first token")
    assert call is not None
    assert call.first_byte_at is not None
    return call.first_byte_at - asked_at


async def ask_in_turn(bench: InteractiveBench, upstream: ScriptedUpstream, mark: str) -> list[float]:
    """Ask for one text after the other, of each project in turn; return the waits."""
    return [
        await wait_for_first_token(bench, upstream, f"other-{number}", f"{mark} {turn}")
        for turn in range(ROUNDS)
        for number in range(OTHERS)
    ]


async def share_out(bench: InteractiveBench, upstream: ScriptedUpstream) -> dict[str, int]:
    """Have all projects ask for many texts; return how many of each were begun from when all had asked until the first
    has no more waiting: before and after, fewer of them share."""
    asked = len(upstream.calls)
    for number in range(OTHERS):
        project = f"other-{number}"
        await bench.submit(*(f"{project} share {text}" for text in range(SHARED_TEXTS)), project_id=project)

    all_asked = len(upstream.calls)

    def count(since: int) -> Counter[str]:
        return Counter(prompt_of(call.body).split()[0] for call in upstream.calls[since:])

    def is_first_through() -> bool:
        return max((begun for project, begun in count(asked).items() if project != "crowd"), default=0) >= SHARED_TEXTS

    await eventually(is_first_through, timeout_seconds=120, what="the shares")
    return dict(count(all_asked))


async def test_a_crowd_costs_other_projects_nothing(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=ANSWER_SECONDS)
    places = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    async with (
        open_bench(database_url, redis_url) as bench,
        WorkerProcess(tmp_path, **places, concurrency=PLACES),
    ):
        quiet = await ask_in_turn(bench, upstream, "quiet")
        crowd = asyncio.create_task(bench.submit(*(f"crowd {text}" for text in range(CROWD)), project_id="crowd"))
        await crowd
        crowded = await ask_in_turn(bench, upstream, "crowded")
        shares = await share_out(bench, upstream)
        left = CROWD - sum(prompt_of(call.body).startswith("crowd ") for call in upstream.calls)
    assert left > 0, "the crowd was served before the others had asked: the test would prove nothing"
    fair = sum(shares.values()) / len(shares)
    unfair = max(abs(count - fair) / fair for count in shares.values())
    print(
        f"\nfirst tokens: {statistics.median(quiet):.2f} s quiet, {statistics.median(crowded):.2f} s crowded "
        f"(worst {max(quiet):.2f}, {max(crowded):.2f}); shares {sorted(shares.values())}, at most {unfair:.0%} off"
    )
    assert len(shares) == OTHERS + 1
    assert unfair <= MOST_UNFAIR * PATIENCE
    assert statistics.median(crowded) <= 2 * statistics.median(quiet) * PATIENCE
