"""A live gateway in the test's own event loop, with a scripted provider behind it and, if wanted, a real worker."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from sqlalchemy import func, select

from services.gateway.api_keys.service import create_api_key
from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from shared.auth.principal import USUAL_SCOPES
from shared.bounds import LiveBounds
from shared.http.open_door import open_door
from shared.settings import Settings
from shared.stores.db.models import Base
from shared.stores.db.session import Database
from storymill.launcher.ports import find_free_port
from tests.support.api_truth import Truthful
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.worker_process import WorkerProcess

UNCOUNTED_TABLES = {"api_key", "project"}


@dataclass
class Mill:
    """Everything that a test of the gateway touches."""

    base_url: str
    database: Database
    database_url: str
    redis_url: str
    upstream: ScriptedUpstream
    objects_dir: Path
    keys: dict[str, str] = field(default_factory=dict)
    key_ids: dict[str, str] = field(default_factory=dict)
    worker: WorkerProcess | None = None

    async def key(self, project: str = "default", scopes: tuple[str, ...] = USUAL_SCOPES) -> str:
        """Return a key of a project, made at the first call."""
        name = f"{project} {' '.join(scopes)}"
        if name not in self.keys:
            row, secret = await create_api_key(self.database, project=project, name=name, scopes=scopes)
            self.keys[name], self.key_ids[name] = secret, row.id
        return self.keys[name]

    async def client(self, project: str = "default", scopes: tuple[str, ...] = USUAL_SCOPES) -> httpx2.AsyncClient:
        """Return a client with a key of the project; close it when done."""
        headers = {"Authorization": f"Bearer {await self.key(project, scopes)}"}
        return httpx2.AsyncClient(base_url=self.base_url, headers=headers, timeout=60)

    async def count_rows(self) -> dict[str, int]:
        """Return how many rows each table has: what a refused request must not change."""
        async with self.database.transaction() as session:
            return {
                table.name: await session.scalar(select(func.count()).select_from(table)) or 0
                for table in Base.metadata.sorted_tables
                if table.name not in UNCOUNTED_TABLES
            }


@asynccontextmanager
async def open_mill(
    folder: Path, *, database_url: str, redis_url: str, queues: str | None = None, **settings: Any
) -> AsyncIterator[Mill]:
    """Yield a live gateway; with `queues`, a real worker process serves those."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream())
        objects = {"object_store_dir": str(folder / "objects")}
        stores = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url, **objects}
        database = Database(Settings.model_validate(stores))
        stack.push_async_callback(database.close)
        given = GatewaySettings.model_validate({**stores, "streaming_url": "http://streaming.test:8001", **settings})
        base_url = await stack.enter_async_context(serve_gateway(given))
        mill = Mill(base_url, database, database_url, redis_url, upstream, folder / "objects")
        if queues is not None:
            prices = {"STORYMILL_PROVIDERS_FILE": str(given.providers_file)} if given.providers_file else {}
            mill.worker = await stack.enter_async_context(
                WorkerProcess(
                    folder,
                    database_url=database_url,
                    redis_url=redis_url,
                    upstream_url=upstream.url,
                    queues=queues,
                    env={"STORYMILL_OBJECT_STORE_DIR": stores["object_store_dir"], **prices},
                )
            )
        yield mill


@asynccontextmanager
async def serve_gateway(settings: GatewaySettings, port: int | None = None) -> AsyncIterator[str]:
    """Serve in this loop, as `python -m services.gateway` does in its process; yield the base URL."""
    port = port or find_free_port()
    bounds = LiveBounds(settings, settings.bounds_file)
    app = Truthful(create_app(settings, bounds))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=open_door(settings, bounds),
        ws="none",
        access_log=False,
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve())
    await eventually_async(lambda: _is_started(server, serving), what="the gateway to start")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
    assert app.lies == [], "\n".join(app.lies)


async def _is_started(server: uvicorn.Server, serving: "asyncio.Task[None]") -> bool:
    if serving.done():
        serving.result()
    return bool(server.started)


def new_name(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{secrets.token_hex(4)}"


def assert_openai_error(response: httpx2.Response, status: int, **inner: Any) -> dict[str, Any]:
    """Assert the one shape of errors, with its headers; return the inner object."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["x-request-id"] == response.headers["request-id"]
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert isinstance(error["message"], str)
    assert {name: error[name] for name in inner} == inner
    return error
