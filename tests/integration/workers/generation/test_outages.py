"""A run sits out an outage of its provider, whatever it looks like from here. The long form takes the machine for
itself."""

import asyncio
import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from services.workers.generation import slice as slices
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.clock import utc_now
from shared.settings import Settings
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.usual import mark_unusual
from tests.support.volume import VolumeBench

CLOSES_WITHIN_SECONDS = 5.0
SETTLES_WITHIN_SECONDS = 1.0
"""Calls that left before the verdict are on their way for so long."""
GATEWAY_PAGE = Script(status=503, raw_body=b"<html><body>Service Unavailable</body></html>", content_type="text/html")
KINDS = ("503", "refused connections", "black hole")


@contextmanager
def full_listener() -> Iterator[int]:
    """Yield a port on which nobody accepts: its queue is full, so that the kernel drops what knocks, as a firewall
    does."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


Span = tuple[float, float]
"""When a call began and ended."""


@dataclass
class Outage:
    """An outage of one kind, and what was seen of it from the provider's side."""

    kind: str
    upstream: ScriptedUpstream
    began_at: float = 0.0
    known_at: float = 0.0
    over_at: float = 0.0

    async def begin(self) -> None:
        """Be out of order from now on."""
        never = asyncio.Event()
        if self.kind == "refused connections":
            await self.upstream.stop()
        elif self.kind == "black hole":
            self.upstream.choose = lambda _call: Script(gate=never)
        else:
            self.upstream.choose = lambda _call: GATEWAY_PAGE
        self.began_at = time.monotonic()

    async def end(self) -> None:
        """Be well again."""
        self.upstream.choose = None
        if self.kind == "refused connections":
            await self.upstream.start()
        self.over_at = time.monotonic()

    def list_probes(self) -> list[Span]:
        """Return the calls that came when the verdict was known, as the provider saw them."""
        calls = [call for call in self.upstream.calls if self.known_at < call.started_at < self.over_at]
        ends = [call.ended_at or call.closed_by_client_at or float("inf") for call in calls]
        return [(call.started_at, end) for call, end in zip(calls, ends, strict=True)]

    async def list_booked_probes(self, bench: VolumeBench, run_id: str) -> list[Span]:
        """Return the same as our books have them: a connection that is refused nobody else sees."""
        moved = utc_now() - timedelta(seconds=time.monotonic())
        known_at, over_at = (moved + timedelta(seconds=moment) for moment in (self.known_at, self.over_at))
        attempts = [one for one in await bench.attempts(run_id) if known_at < one.started_at < over_at]
        return sorted((seconds_of(one.started_at), seconds_of(one.finished_at)) for one in attempts)


def seconds_of(moment: datetime | None) -> float:
    """Return a moment of the books as a number."""
    return moment.timestamp() if moment else float("inf")


def assert_one_at_a_time(spans: list[Span]) -> None:
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


async def sit_out(bench: VolumeBench, context: WorkerContext, outage: Outage, *, rows: int, seconds: float) -> None:
    """Run through an outage in mid-run; check rows, probes and recovery."""
    upstream = outage.upstream
    upstream.default = Script(delay_seconds=0.1)
    run_id = await bench.add(rows)
    working = asyncio.create_task(work_until_over(context, bench, run_id))
    await eventually(lambda: len(upstream.calls) > rows // 5, what="the run to be under way")
    await outage.begin()

    async def told() -> bool:
        return (await bench.run(run_id)).limited_by == "provider_down"

    await eventually_async(told, timeout_seconds=60, what="the outage to be told")
    outage.known_at = time.monotonic() + SETTLES_WITHIN_SECONDS
    await asyncio.sleep(max(outage.began_at + seconds, outage.known_at + 5) - time.monotonic())
    await outage.end()
    await asyncio.wait_for(working, 300)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed) == ("succeeded", rows, 0)
    await bench.assert_counters_exact(run_id)
    answered = [call.ended_at for call in upstream.calls if call.started_at > outage.over_at and call.ended_at]
    closed_after = min(answered) - outage.over_at
    probes, booked = outage.list_probes(), await outage.list_booked_probes(bench, run_id)
    shown = f"{len(booked)} probes ({len(probes)} seen there) in {seconds:.0f} s, closed {closed_after:.2f} s after"
    print(f"{outage.kind}: {shown}, {rows} of {rows} written")
    assert closed_after < CLOSES_WITHIN_SECONDS
    assert_one_at_a_time(probes)
    assert_one_at_a_time(booked)
    assert booked


async def work_until_over(context: WorkerContext, bench: VolumeBench, run_id: str) -> None:
    """Slice by slice, as messages would come."""
    while (await bench.run(run_id)).status in ("queued", "running"):
        await work_generation(context, run_id)


async def open_worker(database_url: str, redis_url: str, upstream: ScriptedUpstream, **options: float) -> WorkerContext:
    """Return a worker whose key is its own: what it finds of its provider is no matter of the others."""
    values = {
        "database_url": database_url,
        "redis_url": redis_url,
        "upstream_url": upstream.url,
        "openai_api_key": f"key of {upstream.port}",
    }
    return await open_context(Settings.model_validate(values), WorkerSettings.model_validate(options))


@pytest.mark.parametrize("kind", mark_unusual(KINDS, KINDS[:1]))
async def test_every_row_succeeds_after_a_short_outage(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream, kind: str
) -> None:
    context = await open_worker(database_url, redis_url, upstream, hung_seconds=1.5)
    try:
        await sit_out(bench, context, Outage(kind, upstream), rows=300, seconds=7.5)
    finally:
        await context.close()


async def test_a_slice_whose_time_is_over_asks_on_while_its_calls_hang(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run's message waits, so the slice would end: but its calls hang, and nobody else asks for its run."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 1.0)
    await bench.send(await bench.add(1))
    context = await open_worker(database_url, redis_url, upstream, hung_seconds=1.5)
    try:
        await sit_out(bench, context, Outage("black hole", upstream), rows=300, seconds=7.5)
    finally:
        await context.close()


async def test_a_run_whose_rows_are_all_under_way_gives_one_up_to_ask_whether_its_provider_is_back(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    rows, outage = 12, Outage("black hole", upstream)
    context = await open_worker(database_url, redis_url, upstream, hung_seconds=1.0)
    try:
        await work_until_over(context, bench, await bench.add(3))  # how long answers take is known now
        await outage.begin()
        begun, run_id = len(upstream.calls), await bench.add(rows)
        working = asyncio.create_task(work_until_over(context, bench, run_id))
        await eventually(lambda: len(upstream.calls) > begun + rows, what="a row to be asked for again")
        await outage.end()
        await asyncio.wait_for(working, 30)
        answered = [call.ended_at for call in upstream.calls if call.started_at > outage.over_at and call.ended_at]
        assert min(answered) - outage.over_at < CLOSES_WITHIN_SECONDS
        run = await bench.run(run_id)
        assert (run.status, run.succeeded, run.failed) == ("succeeded", rows, 0)
        await bench.assert_counters_exact(run_id)
    finally:
        await context.close()


@pytest.mark.soak
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seconds", [75, 600])
async def test_every_row_succeeds_after_a_long_outage(
    bench: VolumeBench, database_url: str, redis_url: str, seconds: int
) -> None:
    """Three kinds at a time, each with a provider and a worker of its own."""

    async def sit_out_one(kind: str) -> None:
        async with ScriptedUpstream() as upstream:
            context = await open_worker(database_url, redis_url, upstream)
            try:
                await sit_out(bench, context, Outage(kind, upstream), rows=2_000, seconds=seconds)
            finally:
                await context.close()

    await asyncio.gather(*(sit_out_one(kind) for kind in KINDS))


@pytest.mark.slow
async def test_an_address_that_drops_everything_is_given_up_after_the_time_for_a_connection(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    with full_listener() as port:
        values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": f"http://127.0.0.1:{port}/v1"}
        opened = await open_context(Settings.model_validate(values), WorkerSettings(run_patience_seconds=1))
        try:
            run_id = await bench.add(3)
            begun = time.monotonic()
            await work_generation(opened, run_id)
        finally:
            await opened.close()
    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert "has been down since" in (run.status_reason or "")
    assert "connecting to the provider took too long" in (run.status_reason or "")
    assert time.monotonic() - begun < 60
    assert {attempt.spent_usd for attempt in await bench.attempts(run_id)} == {0}
