"""A gateway, a worker and an engine that trains a tiny random model: for the clients of fine-tuning."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.gateway.settings import GatewaySettings
from shared.settings import Settings
from shared.stores.db.session import Database
from tests.support.engine_process import EngineProcess
from tests.support.gateway import Mill, serve_gateway
from tests.support.gateway_fixtures import Stores
from tests.support.tiny_model import build_tiny_model
from tests.support.upstream import ScriptedUpstream
from tests.support.worker_process import WorkerProcess

BASE = "tiny"
QUEUES = "interactive,fine_tuning,maintenance"


@asynccontextmanager
async def open_tuning_mill(folder: Path, stores: Stores) -> AsyncIterator[Mill]:
    """Yield a mill whose one provider is a real engine."""
    async with AsyncExitStack() as stack:
        model = await asyncio.to_thread(build_tiny_model, folder / BASE)
        engine = await asyncio.to_thread(EngineProcess, model, folder / "engine")
        stack.push_async_callback(asyncio.to_thread, engine.stop)
        urls = {"database_url": stores.database_url, "redis_url": stores.redis_url, "engine_url": engine.base_url}
        objects = folder / "objects"
        database = Database(Settings.model_validate(urls))
        stack.push_async_callback(database.close)
        settings = GatewaySettings.model_validate({**urls, "object_store_dir": str(objects), "upstream_url": None})
        base_url = await stack.enter_async_context(serve_gateway(settings))
        worker = WorkerProcess(
            folder,
            database_url=stores.database_url,
            redis_url=stores.redis_url,
            upstream_url="",
            queues=QUEUES,
            env={"STORYMILL_OBJECT_STORE_DIR": str(objects), "STORYMILL_ENGINE_URL": engine.base_url},
        )
        await stack.enter_async_context(worker)
        unused = ScriptedUpstream()
        yield Mill(base_url, database, stores.database_url, stores.redis_url, unused, objects, worker=worker)
