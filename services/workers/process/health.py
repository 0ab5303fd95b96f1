"""A small HTTP server on the worker's loop: is it alive, can it work, what does it count. For orchestrators."""

from contextlib import suppress

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.workers.process.context import WorkerContext
from shared.http.health import ALIVE, Probe, describe_readiness, find_problems
from shared.stores.away import STORE_AWAY


class HealthServer:
    """Serves `/livez`, `/readyz` and `/metrics`."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises: OSError when the port is in use."""
        app = web.Application()
        app.router.add_get("/livez", self._answer_live)
        app.router.add_get("/readyz", self._answer_ready)
        app.router.add_get("/metrics", self._answer_metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer_live(self, _request: web.Request) -> web.Response:
        return web.json_response(ALIVE)  # answered by the loop that runs the jobs

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        context = self._context
        stores: dict[str, Probe] = {"postgres": context.database.ping, "redis": context.redis.ping}
        problems = await find_problems(stores, context.settings.object_store_dir)
        body, status = describe_readiness([*problems, *(["stopping"] if context.stopping.is_set() else [])])
        return web.json_response(body, status=status)

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        for tell in self._context.figures:
            with suppress(*STORE_AWAY):  # the last figures stay
                await tell()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
