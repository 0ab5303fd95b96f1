"""Datasets of large runs over REST: seconds, and the peak memory of the worker and of the process that prepares.

`python -m benchmarks.datasets_service [--rows 10000 100000 1000000]`. Stories are written into the database directly (a
provider would take hours for them); everything after `POST /v1/datasets` is the product's own: gateway, queue, worker,
durable Postgres and Redis, object store. The last line says how memory grows per row.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil
import psycopg

from benchmarks.datasets_rows import LETTERS, story
from tests.support.dataset_mill import prepare, read_page, wait_for
from tests.support.gateway import Mill, open_mill
from tests.support.stack import PrivatePostgres, PrivateRedis
from tests.support.upstream import MODEL

REPEATS = 3
SAMPLE_SECONDS = 0.05
TIMEOUT_SECONDS = 1800
MEGABYTE = 1 << 20
COLUMNS = (
    "id, generation_id, project_id, position, repeat, row_key, attributes, status, text, finish_reason, model, cost_usd"
)


class MemoryWatch(threading.Thread):
    """Looks at the worker, its children and theirs all the time; peaks are resident bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.worker_bytes = self.child_bytes = 0
        self.child_cpu_seconds = 0.0
        self.child_seen_at: list[float] = []
        """First and last look at it, by the monotonic clock."""
        self._worker = psutil.Process(pid)
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        """Sample until the block is left."""
        while not self._is_over.wait(SAMPLE_SECONDS):
            self.worker_bytes = max(self.worker_bytes, self._worker.memory_info().rss)
            for child in self._worker.children():
                try:
                    family = [child, *child.children()]
                    resident = sum(one.memory_info().rss for one in family)
                    seconds = sum(sum(one.cpu_times()[:4]) for one in family)
                except psutil.NoSuchProcess:
                    continue
                self.child_bytes = max(self.child_bytes, resident)
                self.child_seen_at = [*self.child_seen_at[:1], time.monotonic()]
                self.child_cpu_seconds = max(self.child_cpu_seconds, seconds)


async def add_run(mill: Mill, client: httpx2.AsyncClient, rows: int) -> str:
    """Make a small run through the product, then give it as many stories as wanted; return its id."""
    grid = {"hero": {"range": [0, rows // REPEATS]}}
    recipe = {"template": "写一个第{{ hero }}位英雄的故事", "attributes": grid, "repeats": REPEATS, "model": MODEL}
    made = await client.post("/v1/generations", json={"recipe": recipe, "limit": 1})
    assert made.status_code == 202, made.text
    run_id: str = made.json()["id"]
    await wait_for(client, f"/v1/generations/{run_id}")
    await asyncio.to_thread(copy_stories, mill.database_url, run_id, rows)
    return run_id


def copy_stories(database_url: str, run_id: str, rows: int) -> None:
    """Add finished stories behind those that the run has."""
    chance = random.Random(rows)
    with psycopg.connect(database_url, autocommit=True) as connection:
        found = connection.execute("select project_id from generation where id = %s", [run_id]).fetchone()
        assert found is not None
        with connection.cursor().copy(f"copy story ({COLUMNS}) from stdin") as copy:
            for number in range(1, rows):
                hero = f"{number // REPEATS}{''.join(chance.choices(LETTERS, k=2))}"
                values = (number, number % REPEATS, f"{run_id}-{number}", json.dumps({"hero": hero}), "succeeded")
                name = f"story_{run_id[-8:]}{number:020d}"
                copy.write_row((name, run_id, found[0], *values, story(chance), "stop", MODEL, "0.000123456"))
        connection.execute("update generation set succeeded = %s, total = %s where id = %s", [rows, rows, run_id])


async def measure(mill: Mill, client: httpx2.AsyncClient, rows: int) -> dict[str, Any]:
    """Prepare one run and look on."""
    run_id = await add_run(mill, client, rows)
    assert mill.worker is not None
    idle = psutil.Process(mill.worker.pid).memory_info().rss
    begun = time.monotonic()
    with MemoryWatch(mill.worker.pid) as watch:
        dataset = await prepare(client, {"generation": run_id}, timeout_seconds=TIMEOUT_SECONDS, model="gpt-4o")
    seconds = time.monotonic() - begun
    assert dataset["status"] == "succeeded", dataset["error"]
    assert dataset["counts"]["rows"] == rows
    page_begun = time.monotonic()
    await read_page(client, dataset["id"], limit=200, after=f"row_{rows - 300}")
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "child_cpu_s": round(watch.child_cpu_seconds, 1),
        "before_child_s": round(watch.child_seen_at[0] - begun, 1),
        "after_child_s": round(begun + seconds - watch.child_seen_at[-1], 1),
        "worker_idle_mb": idle // MEGABYTE,
        "worker_peak_mb": watch.worker_bytes // MEGABYTE,
        "child_peak_mb": watch.child_bytes // MEGABYTE,
        "last_page_ms": round(1000 * (time.monotonic() - page_begun)),
        "findings": {finding["code"]: finding["count"] for finding in dataset["findings"]},
    }


async def measure_all(sizes: list[int]) -> None:
    """Print one line per size, each on a worker of its own, and the growth from the first to the last."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-datasets-")))
        os.chmod(folder, 0o755)  # Postgres may run as another user
        postgres = stack.enter_context(PrivatePostgres(folder / "postgres", durable=True))
        redis = stack.enter_context(PrivateRedis(folder / "redis", durable=True))
        urls = {"database_url": postgres.database_url(postgres.create_database()), "redis_url": redis.url}
        for rows in sizes:
            place = folder / str(rows)
            place.mkdir()
            async with open_mill(place, queues="generation,datasets", **urls) as mill, await mill.client() as client:
                found.append(await measure(mill, client, rows))
                print(json.dumps(found[-1]), flush=True)
    if len(found) > 1:
        first, last = found[0], found[-1]
        growth = {
            name: round(
                (last[f"{name}_peak_mb"] - first[f"{name}_peak_mb"]) * MEGABYTE / (last["rows"] - first["rows"])
            )
            for name in ("worker", "child")
        }
        print(json.dumps({"bytes_per_row": growth}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    asyncio.run(measure_all(parser.parse_args().rows))


if __name__ == "__main__":
    main()
