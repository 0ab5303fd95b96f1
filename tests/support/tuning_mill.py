"""A gateway, a worker and an engine that trains a tiny random model: for the clients of fine-tuning."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.engine_mill import open_engine_mill
from tests.support.gateway import Mill
from tests.support.gateway_fixtures import Stores
from tests.support.tiny_model import build_tiny_model

BASE = "tiny"
QUEUES = "interactive,fine_tuning,maintenance"


@asynccontextmanager
async def open_tuning_mill(folder: Path, stores: Stores) -> AsyncIterator[Mill]:
    """Yield a mill whose one provider is a real engine."""
    model = await asyncio.to_thread(build_tiny_model, folder / BASE)
    async with open_engine_mill(folder, stores, model, queues=QUEUES) as mill:
        yield mill
