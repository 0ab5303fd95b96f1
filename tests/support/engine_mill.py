"""A gateway and a worker over a real engine, for clients that ask for what only a model's server can hold them to."""

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
from tests.support.upstream import ScriptedUpstream
from tests.support.worker_process import WorkerProcess


@asynccontextmanager
async def open_engine_mill(
    folder: Path, stores: Stores, model: Path, *, queues: str = "interactive,maintenance", **engine: str
) -> AsyncIterator[Mill]:
    """Yield a mill whose one provider is a real engine; `engine` is its environment."""
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(EngineProcess, model, folder / "engine", **engine)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        urls = {"database_url": stores.database_url, "redis_url": stores.redis_url, "engine_url": server.base_url}
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
            queues=queues,
            env={"STORYMILL_OBJECT_STORE_DIR": str(objects), "STORYMILL_ENGINE_URL": server.base_url},
        )
        await stack.enter_async_context(worker)
        unused = ScriptedUpstream()
        yield Mill(base_url, database, stores.database_url, stores.redis_url, unused, objects, worker=worker)
