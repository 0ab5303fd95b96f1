"""Rows per second of volume generation against an upstream that takes 50 ms, beside a bare `openai` loop and a raw
aiohttp loop that keep nothing, in interleaved rounds. `make bench-volume`.

The worker is a real Celery worker on real, durable Postgres and Redis, and has one core; everything else (upstream,
Postgres, Redis) shares the other one. The loops get the worker's core.

`python -m benchmarks.volume --rules` measures what rules cost instead: the worker without any, with words, length,
script and exact duplicates, and with near-duplicates beside them, in turn, on stories that all differ."""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.volume_upstream import MODEL
from tests.support.stack import PROJECT_ROOT, PrivatePostgres, PrivateRedis
from tests.support.volume import VolumeBench, open_volume_bench
from tests.support.worker_process import WorkerProcess

WORKER_CORE, OTHER_CORE = 0, 1
IN_FLIGHT = 256
"""What a worker opens to a provider by default; the loops get the same."""
STORYMILL, OPENAI, AIOHTTP = "storymill worker", "bare openai loop", "raw aiohttp loop"
USUAL_RULES = {
    "min_characters": 20,
    "max_characters": 5000,
    "must_not_contain": ["As an AI"],
    "ends_properly": True,
    "script": "Han",
    "distinct": True,
}
RULES: dict[str, dict[str, Any] | None] = {
    "no rules": None,
    "rules, exact duplicates": USUAL_RULES,
    "near-duplicates too": {**USUAL_RULES, "near_distinct": True},
}


@dataclass(frozen=True)
class Measurement:
    """One run of one contestant."""

    seconds: float
    cpu_seconds: float
    rows: int

    @property
    def rows_per_second(self) -> float:
        """The rate."""
        return self.rows / self.seconds

    @property
    def cpu_ms_per_row(self) -> float:
        """CPU of the contestant's own process."""
        return 1000 * self.cpu_seconds / self.rows


def pin(pid: int, core: int) -> None:
    """Bind a process, its threads and children to one core."""
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})


def start_upstream(stack: ExitStack, delay_seconds: float, texts: int = 0) -> str:
    """Start the upstream on the other core; return its URL."""
    options = ["--delay-seconds", str(delay_seconds), "--texts", str(texts)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.volume_upstream", *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    pin(process.pid, OTHER_CORE)
    return url


def measure_loop(name: str, url: str, rows: int) -> Measurement:
    """Run one of the bare loops on the worker's core."""
    command = [sys.executable, "-m", "benchmarks.volume_loops", name, "--url", url, "--rows", str(rows)]
    result = subprocess.run(
        ["taskset", "-c", str(WORKER_CORE), *command, "--in-flight", str(IN_FLIGHT)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_ROOT,
    )
    return Measurement(**json.loads(result.stdout), rows=rows)


async def measure_worker(
    bench: VolumeBench, worker: WorkerProcess, rows: int, rules: dict[str, Any] | None = None
) -> Measurement:
    """Run a generation; its own timestamps say how long it took, from the first claim to the commit of the end."""
    process = psutil.Process(worker.pid)
    generation_id = await bench.add(rows, model=MODEL, parameters={"max_tokens": 300}, rules=rules)
    before = process.cpu_times()
    await bench.send(generation_id)
    run = await bench.wait_until_over(generation_id, timeout_seconds=600)
    after = process.cpu_times()
    assert (run.status, run.succeeded) == ("succeeded", rows)
    assert run.finished_at is not None
    assert run.started_at is not None
    cpu_seconds = after.user + after.system - before.user - before.system
    return Measurement((run.finished_at - run.started_at).total_seconds(), cpu_seconds, rows)


@asynccontextmanager
async def open_worker(delay_seconds: float, texts: int = 0) -> AsyncIterator[tuple[VolumeBench, WorkerProcess, str]]:
    """Yield a bench, a worker on its core, and the address of the upstream."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-volume-")))
        os.chmod(folder, 0o755)  # Postgres may run as another user
        postgres = stack.enter_context(PrivatePostgres(folder / "postgres", durable=True))
        redis = stack.enter_context(PrivateRedis(folder / "redis", durable=True))
        for server in (postgres, redis):
            assert server.process is not None
            pin(server.process.pid, OTHER_CORE)
        url = start_upstream(stack, delay_seconds, texts)
        database_url = postgres.database_url(postgres.create_database())
        worker = WorkerProcess(
            folder, database_url=database_url, redis_url=redis.url, upstream_url=url, queues="generation", concurrency=4
        )
        async with open_volume_bench(database_url, redis.url) as bench, worker:
            pin(worker.pid, WORKER_CORE)
            yield bench, worker, url


async def measure_all(rows: int, rounds: int, delay_seconds: float) -> dict[str, list[Measurement]]:
    """Interleave the contestants, so that a noisy neighbour hits all of them."""
    measured: dict[str, list[Measurement]] = {STORYMILL: [], OPENAI: [], AIOHTTP: []}
    async with open_worker(delay_seconds) as (bench, worker, url):
        await measure_worker(bench, worker, rows // 5)  # warm
        for number in range(rounds):
            measured[STORYMILL].append(await measure_worker(bench, worker, rows))
            measured[OPENAI].append(await asyncio.to_thread(measure_loop, "openai", url, rows))
            measured[AIOHTTP].append(await asyncio.to_thread(measure_loop, "aiohttp", url, rows))
            print_round(number, measured)
    return measured


async def measure_rules(rows: int, rounds: int, delay_seconds: float) -> dict[str, list[Measurement]]:
    """Interleave runs without rules and with more and more of them."""
    measured: dict[str, list[Measurement]] = {name: [] for name in RULES}
    async with open_worker(delay_seconds, texts=2 * rows) as (bench, worker, _):
        await measure_worker(bench, worker, rows // 5)  # warm
        for number in range(rounds):
            for name, rules in RULES.items():
                measured[name].append(await measure_worker(bench, worker, rows, rules))
            print_round(number, measured)
    return measured


def print_costs(measured: dict[str, list[Measurement]]) -> None:
    """Show what rules cost: the median over the rounds of their own ratios."""
    plain, *others = measured
    for name in others:
        pairs = zip(measured[name], measured[plain], strict=True)
        share = statistics.median(ruled.rows_per_second / free.rows_per_second for ruled, free in pairs)
        print(f"{name}: {1 - share:.0%} fewer rows/s than with none")


def print_round(number: int, measured: dict[str, list[Measurement]]) -> None:
    """Show one round."""
    for name, runs in measured.items():
        run = runs[-1]
        print(f"round {number + 1}  {name:18} {run.rows_per_second:7.0f} rows/s  {run.cpu_ms_per_row:6.3f} CPU ms/row")


def print_ratios(measured: dict[str, list[Measurement]]) -> None:
    """Show medians over rounds, and of the rounds' own ratios."""
    for name in (OPENAI, AIOHTTP):
        pairs = list(zip(measured[STORYMILL], measured[name], strict=True))
        rate = statistics.median(ours.rows_per_second / theirs.rows_per_second for ours, theirs in pairs)
        cpu = statistics.median(ours.cpu_ms_per_row / theirs.cpu_ms_per_row for ours, theirs in pairs)
        print(f"{STORYMILL} / {name}: {rate:.2f} × the rows/s, {cpu:.2f} × the CPU per row")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-seconds", type=float, default=0.05)
    parser.add_argument("--rules", action="store_true", help="What rules cost.")
    arguments = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f}")
    if arguments.rules:
        print_costs(asyncio.run(measure_rules(arguments.rows, arguments.rounds, arguments.delay_seconds)))
    else:
        print_ratios(asyncio.run(measure_all(arguments.rows, arguments.rounds, arguments.delay_seconds)))


if __name__ == "__main__":
    main()
