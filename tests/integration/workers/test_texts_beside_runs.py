"""Texts that somebody waits for count against their provider's limits, so that runs make room for them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.workers.interactive.task import run_completion
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from services.workers.providers.rate_limits import provider_limits
from shared.settings import Settings
from tests.support.interactive import InteractiveBench, open_bench
from tests.support.upstream import MODEL, ScriptedUpstream

PROVIDER = '[providers.corp]\nbase_url = "{url}"\ndefault = true\nrequests_per_minute = 6\ntokens_per_minute = 600\n'
LONG_PROMPT = "写一个故事" * 20


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def context(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> AsyncIterator[WorkerContext]:
    """A worker whose provider has limits."""
    file = tmp_path / "providers.toml"
    file.write_text(PROVIDER.format(url=upstream.url))
    values = {"database_url": database_url, "redis_url": redis_url, "providers_file": str(file)}
    opened = await open_context(Settings.model_validate(values), WorkerSettings())
    yield opened
    await opened.close()


async def test_a_text_waits_for_no_permit_and_runs_wait_that_much_longer(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    provider = next(provider for provider in context.providers.all if provider.name == "corp")
    requests, tokens = provider_limits(provider, MODEL, 1)
    for _ in range(3):  # at six a minute a run's third would leave after twenty seconds
        [row_id] = await bench.add(LONG_PROMPT)
        await run_completion(context, row_id)
        row = await bench.row(row_id)
        assert row.status == "succeeded"
    by_requests = await context.rate_limits.reserve([requests], 1)
    assert by_requests.rows == 0
    assert 25 < by_requests.wait_seconds <= 31
    assert row.prompt_tokens is not None
    assert row.completion_tokens is not None
    used = 3 * (row.prompt_tokens + row.completion_tokens)
    by_tokens = await context.rate_limits.reserve([tokens], 1)
    assert by_tokens.rows == 0
    assert by_tokens.wait_seconds == pytest.approx(used * 60 / 600 / 0.985, abs=5)
