"""A scripted provider of the fine-tuning protocol, over HTTP, with the faults that providers have.

Each look at a job takes it one stage further, so that nothing here waits. Keeps what a test holds against our side."""

import base64
import json
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

FINAL = ("succeeded", "failed", "cancelled")


@dataclass
class Fault:
    """What happens to the next `times` requests that match; `after` the work was done, or instead of it."""

    method: str
    path: str
    status: int
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    """Of the refusal."""

    def matches(self, request: web.Request) -> bool:
        """Say whether the fault is for this request."""
        return self.times > 0 and request.method == self.method and re.search(self.path, request.path) is not None


@dataclass
class TuningScript:
    """How jobs go."""

    steps: int = 6
    steps_per_look: int = 2
    validation_every: int = 2
    valid_losses: list[float] | None = None
    validates_for_ever: bool = False
    names_no_model: bool = False
    error: dict[str, Any] | None = None
    stays_running: bool = False
    events: bool = True
    events_doubled: bool = False
    events_shuffled: bool = False
    keeps_metadata: bool = True
    results_late: int = 0
    """So many times the result file is not there yet."""
    results_base64: bool = False
    result_file: bool = True
    nan_at: int | None = None


class TuningUpstream:
    """An async context manager."""

    def __init__(self, script: TuningScript | None = None) -> None:
        self.script = script or TuningScript()
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        self.hook: Callable[[str], Awaitable[None]] | None = None
        """Called with `before …` and `after …` around each request."""
        self.lost: set[str] = set()
        self._late = 0
        self._random = random.Random(7)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._watch], client_max_size=64 * 1024 * 1024)
        jobs = "/v1/fine_tuning/jobs"
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post(jobs, self._create)
        app.router.add_get(jobs, self._list_jobs)
        app.router.add_get(jobs + "/{id}", self._get)
        app.router.add_post(jobs + "/{id}/{wish:cancel|pause|resume}", self._change)
        app.router.add_get(jobs + "/{id}/events", self._list_events)
        app.router.add_get(jobs + "/{id}/checkpoints", self._checkpoints)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Base URL, ending in `/v1`."""
        assert self._runner is not None
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    @property
    def live_jobs(self) -> list[dict[str, Any]]:
        """The jobs that were not cancelled."""
        return [job for job in self.jobs.values() if job["status"] != "cancelled"]

    @property
    def open_jobs(self) -> list[str]:
        """The ids of the jobs that are not over: what is still being paid for."""
        return [job["id"] for job in self.jobs.values() if job["status"] not in FINAL]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = f"{request.method} {request.path}"
        if self.hook is not None:
            await self.hook(f"before {name}")
        self.requests.append(name)
        self.headers.append(dict(request.headers))
        fault = next((fault for fault in self.faults if fault.matches(request)), None)
        if fault is not None:
            fault.times -= 1
        answer: web.StreamResponse = (
            refuse(fault.status, fault.headers, fault.message) if fault else await handler(request)
        )
        if fault is not None and fault.after:
            await handler(request)
        if self.hook is not None:
            await self.hook(f"after {name}")
        return answer

    async def _list_models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "base-1", "object": "model", "created": 1}]})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent: Any = form["file"]
        content = sent.file.read()
        file_id = f"file-up{len(self.files) + 1}"
        self.contents[file_id] = content
        self.files[file_id] = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "filename": sent.filename,
            "purpose": str(form["purpose"]),
            "status": "processed",
            "created_at": int(time.time()),
        }
        return web.json_response(self.files[file_id])

    async def _list_files(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(self.files.values())[::-1], "has_more": False})

    async def _content(self, request: web.Request) -> web.Response:
        if self._late < self.script.results_late:
            self._late += 1
            return refuse(404)
        content = self.contents[request.match_info["id"]]
        return web.Response(body=base64.b64encode(content) if self.script.results_base64 else content)

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        job_id = f"ftjob-up{len(self.jobs) + 1}"
        self.jobs[job_id] = {
            "id": job_id,
            "object": "fine_tuning.job",
            "created_at": int(time.time()),
            "model": body["model"],
            "fine_tuned_model": None,
            "status": "validating_files",
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "hyperparameters": {"n_epochs": 2},
            "result_files": [],
            "trained_tokens": None,
            "error": None,
            "metadata": body.get("metadata") if self.script.keeps_metadata else None,
            "suffix": body.get("suffix"),
            "step": 0,
        }
        self.events[job_id] = []
        self._tell(job_id, "Created fine-tuning job")
        return web.json_response(self.jobs[job_id])

    async def _list_jobs(self, request: web.Request) -> web.Response:
        jobs = list(self.jobs.values())[::-1]
        for name, value in request.query.items():
            if name.startswith("metadata["):
                jobs = [job for job in jobs if (job["metadata"] or {}).get(name[9:-1]) == value]
        return web.json_response({"object": "list", "data": jobs, "has_more": False})

    async def _get(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        if job_id not in self.jobs or job_id in self.lost:
            return refuse(404)
        self._advance(self.jobs[job_id])
        return web.json_response(self.jobs[job_id])

    async def _change(self, request: web.Request) -> web.Response:
        job, wish = self.jobs[request.match_info["id"]], request.match_info["wish"]
        allowed = {"cancel": ("validating_files", "queued", "running", "paused"), "pause": ("queued", "running")}
        if job["status"] not in allowed.get(wish, ("paused",)):
            return refuse(400)
        job["status"] = {"cancel": "cancelled", "pause": "paused", "resume": "running"}[wish]
        self._tell(job["id"], f"Job {job['status']}")
        return web.json_response(job)

    async def _list_events(self, request: web.Request) -> web.Response:
        if request.match_info["id"] in self.lost or not self.script.events:
            return refuse(404)
        events = self.events[request.match_info["id"]][::-1]
        after = request.query.get("after")
        if after is not None:
            events = events[next(i for i, event in enumerate(events) if event["id"] == after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        page = events[:limit]
        if self.script.events_doubled:
            page = [event for event in page for _ in range(2)]
        if self.script.events_shuffled:
            last, page = page[-1:], page[:-1]
            self._random.shuffle(page)
            page += last
        return web.json_response({"object": "list", "data": page, "has_more": len(events) > limit})

    async def _checkpoints(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["id"]]
        data = [
            {
                "id": f"ckpt-{job['id']}-{step}",
                "created_at": int(time.time()),
                "fine_tuned_model_checkpoint": f"ft:{job['id']}:ckpt-step-{step}",
                "step_number": step,
                "metrics": {"step": step, "train_loss": 1.0 / step},
            }
            for step in range(2, job["step"] + 1, 2)
        ]
        return web.json_response({"object": "list", "data": data[::-1], "has_more": False})

    def _advance(self, job: dict[str, Any]) -> None:
        status = job["status"]
        if status == "validating_files" and not self.script.validates_for_ever:
            job["status"] = "queued"
            self._tell(job["id"], "Files validated, moving job to queued state")
        elif status == "queued":
            job["status"] = "running"
            self._tell(job["id"], "Fine-tuning job started")
        elif status == "running":
            self._train(job)

    def _train(self, job: dict[str, Any]) -> None:
        last = self.script.steps
        for _ in range(self.script.steps_per_look):
            if job["step"] < last:
                job["step"] += 1
                self._measure(job, job["step"])
        job["trained_tokens"] = job["step"] * 100
        if job["step"] < last or self.script.stays_running:
            return
        if self.script.error is not None:
            job["status"], job["error"] = "failed", self.script.error
            self._tell(job["id"], self.script.error["message"], level="error")
            return
        job["status"] = "succeeded"
        if not self.script.names_no_model:
            job["fine_tuned_model"] = f"ft:{job['model']}:{job['suffix'] or 'x'}:{job['id']}"
        if self.script.result_file:
            file_id = f"file-result-{job['id']}"
            self.contents[file_id] = write_results(last)
            job["result_files"] = [file_id]
        self._tell(job["id"], "The job has successfully completed")

    def _measure(self, job: dict[str, Any], step: int) -> None:
        loss = float("nan") if step == self.script.nan_at else 2.0 / step
        data: dict[str, Any] = {"step": step, "total_steps": self.script.steps, "train_loss": loss}
        data["train_mean_token_accuracy"] = step / 100
        if step % self.script.validation_every == 0:
            losses = self.script.valid_losses or [3.0 / step]
            data["full_valid_loss"] = losses[min(step // self.script.validation_every, len(losses)) - 1]
        self._tell(job["id"], f"Step {step}/{self.script.steps}: training loss={loss:.2f}", data=data)

    def _tell(self, job_id: str, message: str, *, level: str = "info", data: dict[str, Any] | None = None) -> None:
        events = self.events[job_id]
        events.append(
            {
                "id": f"ftevent-{job_id}-{len(events) + 1}",
                "object": "fine_tuning.job.event",
                "created_at": int(time.time()) if not self.script.events_shuffled else 1_700_000_000 + len(events),
                "level": level,
                "type": "metrics" if data else "message",
                "message": message,
                "data": data,
            }
        )


def refuse(status: int, headers: dict[str, str] | None = None, message: str | None = None) -> web.Response:
    """Return an error answer."""
    words = message if message is not None else f"scripted {status}"
    body = {"error": {"message": words, "type": "scripted", "param": None, "code": None}}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)


def write_results(steps: int) -> bytes:
    """Return a result file in OpenAI's present columns."""
    lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
    lines += [f"{step},{2.0 / step},{step / 100},,{'' if step % 2 else step / 50}" for step in range(1, steps + 1)]
    return ("\n".join(lines) + "\n").encode()
