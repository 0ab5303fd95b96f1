"""Workers that die, stop or freeze in the middle of a preparation: another one finishes it, once."""

import asyncio
import gzip
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from sqlalchemy import func, select

from shared.bounds import LOOK_SECONDS
from shared.stores.db.models import Dataset, DatasetRow, DatasetVersion
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from tests.support.dataset_mill import export, make_csv, order, upload, wait_for
from tests.support.gateway import Mill, new_name
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.usual import mark_unusual
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 30_000
"""Some seconds of work: enough to die in the middle of."""


OVER_BOUNDS = {
    "prepare_memory_bytes = 134217728": "STORYMILL_PREPARE_MEMORY_BYTES",
    "prepare_disk_bytes = 1048576\nprepare_disk_times = 0": "STORYMILL_PREPARE_DISK_BYTES",
    "prepare_seconds = 0.2": "STORYMILL_PREPARE_SECONDS",
    "prepare_free_disk_bytes = 1000000000000000": "STORYMILL_PREPARE_FREE_DISK_BYTES",
}


def make_bomb() -> bytes:
    """Return a small file of long rows: less than 1 MB that becomes 225 MB."""
    tale = "故事" * 25_000
    rows = [json.dumps({"prompt": f"{n} {tale}", "completion": "a"}, ensure_ascii=False) for n in range(1_500)]
    return gzip.compress("\n".join(rows).encode(), 1)


def make_worker(mill: Mill, folder: Path, name: str, **env: str) -> WorkerProcess:
    """A worker that is not started yet."""
    return WorkerProcess(
        folder,
        database_url=mill.database_url,
        redis_url=mill.redis_url,
        upstream_url=mill.upstream.url,
        queues="datasets,maintenance",
        name=name,
        env={"STORYMILL_OBJECT_STORE_DIR": str(mill.objects_dir), "TMPDIR": str(folder), **env},
    )


def find_preparing(worker: WorkerProcess) -> list[psutil.Process]:
    """The processes in which the worker prepares."""
    children = psutil.Process(worker.pid).children(recursive=True)
    return [child for child in children if any("order_process" in part for part in child.cmdline())]


async def wait_until_preparing(worker: WorkerProcess) -> psutil.Process:
    """Wait until the worker is in the middle of it."""

    async def is_preparing() -> bool:
        return bool(find_preparing(worker))

    await eventually_async(is_preparing, timeout_seconds=30, what="the preparation to begin")
    return find_preparing(worker)[0]


def find_work_folders(place: Path) -> list[Path]:
    """What preparations have left in the workers' temporary folder."""
    return [*place.glob("storymill-*"), *place.glob("tmp*")]


@asynccontextmanager
async def reaper(mill: Mill) -> AsyncIterator[None]:
    """The reaper's beat."""
    sender = TaskSender(make_celery(mill.redis_url), ServingLine(open_redis(mill.redis_url)))
    try:
        async with reaping(sender):
            yield
    finally:
        sender.close()


async def assert_prepared_once(mill: Mill, client: httpx2.AsyncClient, dataset_id: str) -> None:
    """One version, each row in it once."""
    dataset = await wait_for(client, f"/v1/datasets/{dataset_id}", timeout_seconds=120)
    assert dataset["status"] == "succeeded", dataset["error"]
    async with mill.database.transaction() as session:
        attempt = await session.scalar(select(Dataset.attempt).where(Dataset.id == dataset_id))
        rows = await session.scalar(select(func.count()).where(DatasetRow.version_id == dataset["version"]))
        query = select(func.count()).where(DatasetVersion.project_id == Dataset.project_id, Dataset.id == dataset_id)
        versions = await session.scalar(query)
    assert attempt is not None
    assert attempt > 1
    assert (rows, versions) == (ROWS, 1)
    assert len(await export(client, dataset_id, "train")) == dataset["counts"]["train"]


@pytest.mark.parametrize("number", mark_unusual([signal.SIGKILL, signal.SIGTERM], [signal.SIGKILL]))
async def test_a_worker_that_goes_does_not_lose_the_dataset(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path, number: signal.Signals
) -> None:
    dataset = await order(client, {"file": await upload(client, make_csv(ROWS), "many.csv")})
    async with make_worker(gateway, tmp_path, "first") as first:
        preparing = await wait_until_preparing(first)
        first.send_signal(number)
        await first.wait_for_exit()
        await asyncio.to_thread(psutil.wait_procs, [preparing], timeout=10)
        assert not preparing.is_running()
    assert bool(find_work_folders(tmp_path)) == (number == signal.SIGKILL)
    async with make_worker(gateway, tmp_path, "second"):
        await eventually_async(
            lambda: asyncio.to_thread(lambda: not find_work_folders(tmp_path)), what="the dead worker's files to go"
        )
        async with reaper(gateway):
            await assert_prepared_once(gateway, client, dataset["id"])
    assert not find_work_folders(tmp_path)


@pytest.mark.slow
async def test_a_frozen_worker_that_wakes_up_writes_nothing_over_the_new_owner(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    dataset = await order(client, {"file": await upload(client, make_csv(ROWS), "many.csv")})
    async with make_worker(gateway, tmp_path, "first") as first:
        preparing = await wait_until_preparing(first)
        first.send_signal(signal.SIGSTOP)
        async with make_worker(gateway, tmp_path, "second"), reaper(gateway):
            await assert_prepared_once(gateway, client, dataset["id"])
        before = await gateway.count_rows()
        finished = (await client.get(f"/v1/datasets/{dataset['id']}")).json()
        first.send_signal(signal.SIGCONT)

        async def is_given_up() -> bool:
            return "row_lost" in first.log

        await eventually_async(is_given_up, timeout_seconds=60, what="the woken worker to give up")
        await asyncio.to_thread(psutil.wait_procs, [preparing], timeout=20)
        assert await gateway.count_rows() == before
        assert (await client.get(f"/v1/datasets/{dataset['id']}")).json() == finished


async def test_a_preparation_killed_for_its_memory_fails_with_a_reason(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    dataset = await order(client, {"file": await upload(client, make_csv(ROWS), "many.csv")})
    async with make_worker(gateway, tmp_path, "worker") as worker:
        (await wait_until_preparing(worker)).kill()
        failed = await wait_for(client, f"/v1/datasets/{dataset['id']}")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "preparation_crashed")
    assert "ended from outside by SIGKILL" in failed["error"]["message"]


async def test_a_dataset_can_be_cancelled_while_it_is_prepared_and_while_it_waits(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    source = {"file": await upload(client, make_csv(ROWS), "many.csv")}
    first, second = [await order(client, source) for _ in range(2)]
    versions = (await gateway.count_rows())["dataset_version"]
    cancelled = (await client.post(f"/v1/datasets/{second['id']}/cancel")).json()
    assert (cancelled["status"], cancelled["error"]) == ("cancelled", None)
    async with make_worker(gateway, tmp_path, "worker") as worker:
        preparing = await wait_until_preparing(worker)
        assert (await client.post(f"/v1/datasets/{first['id']}/cancel")).json()["status"] == "cancelled"
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [preparing], timeout=20)
        assert gone
        assert not find_preparing(worker)
    assert (await client.post(f"/v1/datasets/{first['id']}/cancel")).json()["status"] == "cancelled"
    assert (await client.get(f"/v1/datasets/{first['id']}")).json()["finished_at"] is not None
    assert (await gateway.count_rows())["dataset_version"] == versions


@pytest.mark.slow
async def test_a_preparation_over_its_bounds_dies_alone_and_names_the_setting(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    bounds = tmp_path / "bounds.toml"
    async with make_worker(gateway, tmp_path, "worker", STORYMILL_BOUNDS_FILE=str(bounds)) as worker:
        for line, setting in OVER_BOUNDS.items():
            bounds.write_text(line, encoding="utf-8")
            await asyncio.sleep(LOOK_SECONDS)
            dataset = await order(client, {"file": await upload(client, make_bomb(), "bomb.jsonl.gz")})
            failed = await wait_for(client, f"/v1/datasets/{dataset['id']}")
            assert failed["error"]["code"] == "preparation_limit", failed
            assert setting in failed["error"]["message"]
            assert not find_preparing(worker)
            assert not find_work_folders(tmp_path)


async def test_a_project_that_orders_much_holds_up_neither_another_nor_other_jobs(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    source = {"file": await upload(client, make_csv(ROWS), "many.csv")}
    crowd = [await order(client, source) for _ in range(20)]
    neighbour = await gateway.client(new_name("neighbour"))
    async with neighbour, make_worker(gateway, tmp_path, "worker", STORYMILL_PREPARE_CHILDREN="2") as worker:
        await wait_until_preparing(worker)
        small = await order(neighbour, {"file": await upload(neighbour, make_csv(20), "few.csv")})
        assert (await wait_for(neighbour, f"/v1/datasets/{small['id']}"))["status"] == "succeeded"
        standing = [(await client.get(f"/v1/datasets/{one['id']}")).json()["status"] for one in crowd]
        assert standing.count("running") <= 1
        assert standing.count("queued") >= 10
        for one in crowd:
            await client.post(f"/v1/datasets/{one['id']}/cancel")


async def test_projects_that_fill_every_place_do_not_hold_up_one_that_has_none(gateway: Mill, tmp_path: Path) -> None:
    greedy = [await gateway.client(new_name("greedy")) for _ in range(2)]
    late = await gateway.client(new_name("late"))
    async with make_worker(gateway, tmp_path, "worker", STORYMILL_PREPARE_CHILDREN="2") as worker:
        orders = []
        for client in greedy:
            source = {"file": await upload(client, make_csv(ROWS), "many.csv")}
            orders += [(client, await order(client, source)) for _ in range(3)]

        async def are_both_at_work() -> bool:
            return len(find_preparing(worker)) == 2

        await eventually_async(are_both_at_work, timeout_seconds=30, what="both places to be taken")
        asleep = find_preparing(worker)
        for child in asleep:
            child.suspend()
        small = await order(late, {"file": await upload(late, make_csv(20), "few.csv")})
        assert (await wait_for(late, f"/v1/datasets/{small['id']}"))["status"] == "succeeded"
        assert {child.pid for child in find_preparing(worker)} == {child.pid for child in asleep}
        for client, one in orders:
            await client.post(f"/v1/datasets/{one['id']}/cancel")
    for client in (*greedy, late):
        await client.aclose()
