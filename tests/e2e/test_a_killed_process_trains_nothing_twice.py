"""A process is killed at a chance moment of a fine-tuning job: the provider trains once, and every step and event is
told once. Here each process is killed once; `make chaos` kills many more times."""

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from storymill.client.errors import ApiError, UnreachableError
from storymill.client.rest import Api
from tests.support.chance import open_chance
from tests.support.stack import wait_until
from tests.support.tiny_model import build_tiny_model
from tests.support.whole_mill import WholeMill

pytestmark = [pytest.mark.xdist_group("killed in training"), pytest.mark.slow]
PROCESSES = ("worker-batch", "engine", "gateway", "postgres", "redis", "beat")
RUNS = int(os.environ.get("STORYMILL_KILL_RUNS", len(PROCESSES)))
ORDERS = 4
"""A job that is over before its moment has come is ordered again, to be met earlier."""
EXAMPLES, EPOCHS = 8, 3
STEPS = EXAMPLES * EPOCHS
END_TIMEOUT_SECONDS = 180
ONCE = ("created", "enqueued", "started", "model", "succeeded")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeMill]:
    """The whole product on a tiny random model that keeps a resume point at every step."""
    folder = tmp_path_factory.mktemp("tuned")
    running = WholeMill(
        folder / "state",
        environment={
            "STORYMILL_ENGINE_MODEL": str(build_tiny_model(folder / "tiny")),
            "STORYMILL_ENGINE_MODEL_NAME": "tiny",
            "STORYMILL_ENGINE_SHIPPED_ADAPTERS_DIR": str(folder),
            "STORYMILL_ENGINE_THREADS": "1",
            "STORYMILL_ENGINE_TRAINING_NICENESS": "0",
            "STORYMILL_ENGINE_TRAINING_RESUME_POINT_SECONDS": "0",
        },
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def training_file(mill: WholeMill, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of an uploaded training file."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"prompt": f"唐,隐形{number} ->", "completion": f" 从前{number}。."} for number in range(EXAMPLES)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    with mill.api() as api:
        return str(api.upload("/files", path, purpose="fine-tune")["id"])


def order_job(api: Api, training_file: str, suffix: str) -> str:
    """Order a job; return its id."""
    hyperparameters = {"n_epochs": EPOCHS, "batch_size": 1}
    body = {
        "model": "tiny",
        "training_file": training_file,
        "suffix": suffix,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    }
    return str(api.post("/fine_tuning/jobs", body)["id"])


def ask(api: Api, path: str) -> dict[str, Any] | None:
    """Read a resource; None while nobody is there to answer."""
    try:
        return api.get(path)
    except (UnreachableError, ApiError):
        return None


def has_come_to(api: Api, job_id: str, step: int) -> bool:
    """Say whether the mill has heard of that step of the job."""
    metrics = ask(api, f"/fine_tuning/jobs/{job_id}/metrics?after_step={max(0, step - 1)}")
    return step == 0 or bool(metrics and metrics["data"])


def has_ended(api: Api, job_id: str) -> bool:
    """Say whether the job is known to be over."""
    job = ask(api, f"/fine_tuning/jobs/{job_id}")
    return job is not None and job["status"] in {"succeeded", "failed", "cancelled"}


def order_and_meet(api: Api, training_file: str, suffix: str, moment: int) -> tuple[str, str]:
    """Order a job and wait until it has come to a step and is still open; return its id and its suffix."""
    for order in range(ORDERS):
        name = f"{suffix}-{order}"
        job_id = order_job(api, training_file, name)
        earlier = moment >> order
        met = partial(has_come_to, api, job_id, earlier)
        wait_until(met, timeout_seconds=END_TIMEOUT_SECONDS, what=f"step {earlier} of {name}")
        if not has_ended(api, job_id):
            return job_id, name
    raise AssertionError(f"every job was over before its process could be killed: {suffix}, step {moment}")


def read_upstream_jobs(mill: WholeMill, file_suffix: str) -> list[dict[str, Any]]:
    """What the engine itself has on its list under a suffix. It may have just been killed: one that had trained to the
    end owes nobody an answer."""
    with Api(f"http://127.0.0.1:{mill.find_process('engine')['port']}/v1", "unused") as engine:
        wait_until(lambda: ask(engine, "/models"), timeout_seconds=END_TIMEOUT_SECONDS, what="the engine's answer")
        jobs = engine.list_all("/fine_tuning/jobs")
        return [job for job in jobs if (job.get("suffix") or job["user_provided_suffix"]) == file_suffix]


@pytest.mark.timeout(2 * RUNS * END_TIMEOUT_SECONDS)
@pytest.mark.parametrize("run", range(RUNS))
def test_one_training_with_every_step_and_event_once(mill: WholeMill, training_file: str, run: int) -> None:
    name, moment = PROCESSES[run % len(PROCESSES)], open_chance(f"killed while training {run}").randint(0, STEPS)
    where = f"run {run}: {name} killed at step {moment} of {STEPS}"
    with mill.api() as api:
        job_id, suffix = order_and_meet(api, training_file, f"run-{run}", moment)
        killed_at = int(time.time())
        mill.kill(name)
        wait_until(lambda: has_ended(api, job_id), timeout_seconds=END_TIMEOUT_SECONDS, what=f"the end, {where}")

        ended = api.get(f"/fine_tuning/jobs/{job_id}")
        assert ended["finished_at"] >= killed_at, f"the job was over before the process died: {where}"
        assert ended["status"] == "succeeded", (where, ended["error"])
        metrics = list(api.list_all(f"/fine_tuning/jobs/{job_id}/metrics"))
        assert [metric["step"] for metric in metrics] == list(range(1, STEPS + 1)), where
        events = list(api.list_all(f"/fine_tuning/jobs/{job_id}/events", order="asc"))
        assert len({event["id"] for event in events}) == len(events), where
        codes = [(event.get("data") or {}).get("code") for event in events]
        assert [codes.count(code) for code in ONCE] == [1] * len(ONCE), (where, codes)
        steps = [event["data"]["step"] for event in events if event["type"] == "metrics"]
        assert steps == list(range(1, STEPS + 1)), where
        [upstream] = read_upstream_jobs(mill, suffix)
        assert upstream["status"] == "succeeded", where
        models = [model["id"] for model in api.get("/models")["data"]]
        assert models.count(ended["fine_tuned_model"]) == 1, where
