"""A provider's bad day is not the row's fault: outages, silences, empty accounts, refused keys and recipes. Short
forms, on real stores."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from services.workers.generation.lease import GENERATION_ROWS
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.clock import utc_now
from shared.settings import Settings
from shared.stores.db.models import ProviderState
from shared.stores.db.repositories.generations import retry_stories
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script, bad_request, prompt_of, server_error
from tests.support.volume import VolumeBench

OUTAGE_SECONDS = 3.0
CLOSES_WITHIN_SECONDS = 5.0
PAUSES_WITHIN_SECONDS = 40.0
MOST_REFUSED = 20
GATEWAY_PAGE = Script(status=503, raw_body=b"<html><body>Service Unavailable</body></html>", content_type="text/html")
NO_CREDIT = Script(
    status=402, error={"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}
)
BAD_KEY = Script(status=401, error={"message": "Incorrect API key", "code": "invalid_api_key"})
FIREWALL = Script(status=403, raw_body=b"<html>Request blocked</html>", content_type="text/html")


async def read_state(bench: VolumeBench) -> ProviderState | None:
    async with bench.database.transaction() as session:
        return (await session.scalars(select(ProviderState))).one_or_none()


async def run_through(context: WorkerContext, bench: VolumeBench, run_id: str) -> None:
    """Work until the run is over."""
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).status == "succeeded"


async def test_a_run_sits_out_an_outage_with_one_probe_at_a_time_and_every_row_succeeds(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(300)
    begins = 60

    def choose(call: Call) -> Script | None:
        if call.number < begins:
            return None
        over_at = upstream.calls[begins].started_at + OUTAGE_SECONDS
        return GATEWAY_PAGE if call.started_at < over_at else None

    upstream.choose = choose
    await run_through(context, bench, run_id)

    run = await bench.run(run_id)
    assert (run.succeeded, run.failed) == (300, 0)
    failed = [call for call in upstream.calls if call.status == 503]
    over_at = upstream.calls[begins].started_at + OUTAGE_SECONDS
    probes = [call for call in failed if call.started_at > upstream.calls[begins].started_at + 1]
    assert 1 <= len(probes) <= 10
    assert all((one.ended_at or 0) <= two.started_at for one, two in itertools.pairwise(probes))
    first_good = min(call.started_at for call in upstream.calls if call.started_at > over_at)
    assert first_good - over_at < CLOSES_WITHIN_SECONDS
    await bench.assert_counters_exact(run_id)
    books = {attempt.failure_class for attempt in await bench.attempts(run_id) if attempt.outcome == "failed"}
    assert "provider_down" in books


async def test_a_run_says_that_its_provider_is_down_and_goes_on_when_connections_are_taken_again(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=0.02)
    run_id = await bench.add(400)
    working = asyncio.create_task(work_generation(context, run_id))
    await eventually(lambda: len(upstream.calls) > 60, what="the run to be under way")
    await upstream.stop()

    async def told() -> bool:
        state = await read_state(bench)
        shown = (await bench.run(run_id)).limited_by
        return shown == "provider_down" and state is not None and state.verdict == "down"

    await eventually_async(told, what="the outage to be told")
    await upstream.start()
    began_at = time.monotonic()
    calls = len(upstream.calls)
    await eventually(lambda: len(upstream.calls) > calls, what="a call")
    assert time.monotonic() - began_at < CLOSES_WITHIN_SECONDS
    await working

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed) == ("succeeded", 400, 0)

    async def well() -> bool:
        state = await read_state(bench)
        return state is not None and state.verdict == "well" and state.message is not None

    await eventually_async(well, what="the recovery to be told")


async def test_a_provider_that_stays_down_longer_than_the_runs_patience_pauses_it(
    bench: VolumeBench, impatient: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = server_error(503)
    run_id = await bench.add(30)
    await work_generation(impatient, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert "upstream has been down since" in (run.status_reason or "")
    assert "The server had an error" in (run.status_reason or "")
    assert len(upstream.calls) < MOST_REFUSED


@pytest.mark.parametrize(
    ("refusal", "words", "verdict"),
    [
        (NO_CREDIT, "Insufficient Balance", "no_credit"),
        (BAD_KEY, "Incorrect API key", "key_refused"),
        (FIREWALL, "Request blocked", "key_refused"),
    ],
)
async def test_an_account_that_refuses_pauses_the_run_after_few_calls_and_resuming_succeeds(
    bench: VolumeBench,
    context: WorkerContext,
    upstream: ScriptedUpstream,
    refusal: Script,
    words: str,
    verdict: str,
) -> None:
    upstream.default = refusal
    run_id = await bench.add(60)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert words in (run.status_reason or "")
    assert len(upstream.calls) <= 3
    for _ in range(5):  # each resumption tries one call first, and no row pays for it
        await bench.set_columns(run_id, status="queued", status_reason=None)
        before = len(upstream.calls)
        await work_generation(context, run_id)
        assert len(upstream.calls) == before + 1
        assert (await bench.run(run_id)).status == "paused"

    async def told() -> bool:
        state = await read_state(bench)
        return state is not None and state.verdict == verdict and words in (state.message or "")

    await eventually_async(told, what="the verdict to be told")
    upstream.default = Script()
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await run_through(context, bench, run_id)
    assert (await bench.run(run_id)).succeeded == 60


async def test_credit_that_runs_out_in_mid_run_fails_no_row(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = lambda call: NO_CREDIT if call.number >= 100 else None
    run_id = await bench.add(400)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed, run.running) == ("paused", 100, 0, 0)
    assert "Insufficient Balance" in (run.status_reason or "")
    upstream.choose = None
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await run_through(context, bench, run_id)
    assert (await bench.run(run_id)).succeeded == 400
    await bench.assert_counters_exact(run_id)


async def test_a_long_silence_pauses_the_run_until_then_and_the_reaper_resumes_it(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    slow = {"message": "Daily limit reached", "code": "rate_limit_exceeded"}
    upstream.choose = lambda call: (
        Script(status=429, error=slow, headers={"retry-after": "4980"}) if call.number >= 30 else None
    )
    run_id, begun = await bench.add(100), time.monotonic()
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert time.monotonic() - begun < PAUSES_WITHIN_SECONDS
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert "Daily limit reached" in (run.status_reason or "")
    assert run.resumes_at is not None
    assert abs(run.resumes_at - utc_now() - timedelta(seconds=4980)) < timedelta(seconds=30)

    upstream.choose = None
    await bench.set_columns(run_id, resumes_at=utc_now())
    async with bench.database.transaction() as session:
        messages = await GENERATION_ROWS.requeue(session, 10)
    assert [getattr(message, "generation_id", None) for message in messages] == [run_id]
    run = await bench.run(run_id)
    assert (run.status, run.status_reason, run.resumes_at) == ("queued", None, None)
    await run_through(context, bench, run_id)


async def test_a_short_silence_is_waited_for_by_all_and_no_row_pays(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    slow = {"message": "Please try again in 1.5s.", "code": "rate_limit_exceeded"}
    upstream.choose = lambda call: Script(status=429, error=slow) if 30 <= call.number < 40 else None
    run_id = await bench.add(100)
    await run_through(context, bench, run_id)

    run = await bench.run(run_id)
    assert (run.succeeded, run.failed) == (100, 0)
    starts = [call.started_at for call in upstream.calls]
    # Of 1.5 s a busy machine takes some: a run that does not wait pauses for milliseconds.
    assert max(later - earlier for earlier, later in itertools.pairwise(starts)) > 0.5


async def test_a_refused_recipe_pauses_the_run_and_fails_no_row(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = bad_request("max_tokens is too large: 100")
    run_id = await bench.add(200)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert (run.status_reason or "").startswith("recipe refused: ")
    assert "max_tokens is too large: 100" in (run.status_reason or "")
    assert len(upstream.calls) <= 3
    upstream.default = Script()
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await run_through(context, bench, run_id)


async def test_failed_rows_are_retried_in_the_same_run_with_their_budget_whole(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = lambda call: Script(text="") if "第1位" in prompt_of(call.body) else None
    run_id = await bench.add(6)
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).failed == 3

    async with bench.database.transaction() as session:
        assert await retry_stories(session, run_id, "failed", "server_error") == 0
        assert await retry_stories(session, run_id, "failed", "empty") == 3
    run = await bench.run(run_id)
    assert (run.status, run.failed, run.finished_at) == ("queued", 0, None)
    calls = len(upstream.calls)
    upstream.choose = lambda call: Script(text="") if call.number < calls + 2 else None
    await run_through(context, bench, run_id)

    run = await bench.run(run_id)
    assert (run.succeeded, run.failed) == (6, 0)
    await bench.assert_counters_exact(run_id)
    await bench.set_status(run_id, "cancelled")
    async with bench.database.transaction() as session:
        assert await retry_stories(session, run_id, "failed", None) == 0


async def test_what_one_worker_is_told_of_a_provider_another_knows_at_once(
    bench: VolumeBench, context: WorkerContext, impatient: WorkerContext, upstream: ScriptedUpstream
) -> None:
    health = await impatient.healths.find(impatient.providers.all[0])
    upstream.default = NO_CREDIT
    await work_generation(context, await bench.add(3))
    await eventually(lambda: health.standing.verdict == "no_credit", what="the other worker to hear of it")
    upstream.default = Script()
    await run_through(context, bench, await bench.add(3))
    await eventually(lambda: health.standing.verdict == "well", what="the other worker to hear that it is over")


@pytest.fixture
async def impatient(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker whose runs wait two seconds for a provider that is down."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(run_patience_seconds=2))
    yield opened
    await opened.close()
