"""The part of MLflow's tracking protocol that clients use to log a run, over real HTTP: the outside, scripted."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

PREFIX = "/api/2.0/mlflow"


@dataclass
class StoredRun:
    """A run as the server keeps it."""

    id: str
    name: str
    tags: dict[str, str]
    status: str = "RUNNING"
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def points(self, key: str) -> dict[int, float]:
        """Return a metric's value by step."""
        return {int(metric["step"]): metric["value"] for metric in self.metrics if metric["key"] == key}

    def shape(self) -> dict[str, Any]:
        """Return the protocol's run."""
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        info = {"run_id": self.id, "run_uuid": self.id, "run_name": self.name, "experiment_id": "1"}
        return {
            "info": {**info, "status": self.status, "artifact_uri": "", "lifecycle_stage": "active"},
            "data": {"tags": tags},
        }


class MlflowServer:
    """An async context manager: up inside the block."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.runs: dict[str, StoredRun] = {}
        self.experiment: str | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(f"{PREFIX}/experiments/get-by-name", self._get_experiment)
        app.router.add_post(f"{PREFIX}/experiments/create", self._create_experiment)
        app.router.add_post(f"{PREFIX}/runs/search", self._search)
        app.router.add_post(f"{PREFIX}/runs/create", self._create_run)
        app.router.add_get(f"{PREFIX}/runs/get", self._get_run)
        app.router.add_post(f"{PREFIX}/runs/update", self._update_run)
        app.router.add_post(f"{PREFIX}/runs/log-batch", self._log_batch)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _get_experiment(self, request: web.Request) -> web.Response:
        if self.experiment != request.query["experiment_name"]:
            return web.json_response({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}, status=404)
        experiment = {"experiment_id": "1", "name": self.experiment, "lifecycle_stage": "active"}
        return web.json_response({"experiment": experiment})

    async def _create_experiment(self, request: web.Request) -> web.Response:
        self.experiment = (await request.json())["name"]
        return web.json_response({"experiment_id": "1"})

    async def _search(self, request: web.Request) -> web.Response:
        wanted = (await request.json())["filter"].rpartition("= ")[2].strip("'")
        found = [run.shape() for run in self.runs.values() if run.tags.get("storymill.job") == wanted]
        return web.json_response({"runs": found})

    async def _create_run(self, request: web.Request) -> web.Response:
        body = await request.json()
        tags = {tag["key"]: tag["value"] for tag in body["tags"]}
        run = StoredRun(f"run{len(self.runs)}", body["run_name"], tags)
        self.runs[run.id] = run
        return web.json_response({"run": run.shape()})

    async def _get_run(self, request: web.Request) -> web.Response:
        return web.json_response({"run": self.runs[request.query["run_id"]].shape()})

    async def _update_run(self, request: web.Request) -> web.Response:
        body = await request.json()
        run = self.runs[body["run_id"]]
        run.status = body.get("status", run.status)
        return web.json_response({"run_info": run.shape()["info"]})

    async def _log_batch(self, request: web.Request) -> web.Response:
        body = await request.json()
        run = self.runs[body["run_id"]]
        run.metrics += body.get("metrics", [])
        run.tags.update({tag["key"]: tag.get("value", "") for tag in body.get("tags", [])})
        return web.json_response({})
