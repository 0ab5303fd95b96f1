"""A scripted provider and a bench for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.tuning_bench import TuningBench, open_tuning_bench
from tests.support.tuning_upstream import TuningUpstream


@pytest.fixture
async def provider() -> AsyncIterator[TuningUpstream]:
    """A provider of the fine-tuning protocol; tests change its script."""
    async with TuningUpstream() as server:
        yield server


@pytest.fixture
async def bench(
    tmp_path: Path, database_url: str, redis_url: str, provider: TuningUpstream
) -> AsyncIterator[TuningBench]:
    """A worker's context with one project."""
    async with open_tuning_bench(tmp_path, database_url, redis_url, provider.url) as opened:
        yield opened
