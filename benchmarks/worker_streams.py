"""Many token streams in one interactive worker process: `python -m benchmarks.worker_streams --streams 300`.

Each token of the scripted provider is the time at which it was sent, so the delay from the provider's socket to Redis
pub/sub is read off the frames. Provider, Redis, Postgres, worker and this reader share the machine's cores."""

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
from aiohttp import web
from redis.asyncio import Redis

from shared.clock import utc_now
from shared.streams.control import publish_cancel
from storymill.launcher.ports import find_free_port
from tests.support.interactive import InteractiveBench, open_bench
from tests.support.stack import PrivatePostgres, PrivateRedis, eventually, migrate
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.worker_process import WorkerProcess, fetch

TOKENS_PER_SECOND = 20


def build_upstream(tokens: int) -> web.Application:
    """Return a provider whose every token is `<monotonic nanoseconds> `."""

    async def complete(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        begun = time.monotonic()
        for number in range(tokens):
            await asyncio.sleep(max(0.0, begun + number / TOKENS_PER_SECOND - time.monotonic()))
            reason = "stop" if number == tokens - 1 else None
            choice = {"index": 0, "text": f"{time.monotonic_ns()} ", "finish_reason": reason}
            body = {"model": "clock", "choices": [choice]}
            await response.write(b"data: " + json.dumps(body).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def list_models(_request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "clock", "object": "model"}]})

    app = web.Application()
    app.router.add_post("/v1/completions", complete)
    app.router.add_get("/v1/models", list_models)
    return app


@contextlib.contextmanager
def upstream_process(tokens: int):  # type: ignore[no-untyped-def]
    """Run the provider in a process of its own; yield its base URL."""
    port = find_free_port()
    command = [sys.executable, "-m", "benchmarks.worker_streams", "--serve", str(port), "--tokens", str(tokens)]
    process = subprocess.Popen(command)
    try:
        while fetch(f"http://127.0.0.1:{port}/v1/models")[0] != 200:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


class DelayReader:
    """Hears every live frame and notes how old its tokens are, and each stream's first."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.delays_ms: list[float] = []
        self.first_ms: list[float] = []
        self.frames = 0
        self.ends = 0

    async def run(self, listening: asyncio.Event) -> None:
        """Listen until cancelled."""
        async with self._redis.pubsub() as pubsub:
            await pubsub.psubscribe("*:live")
            async for message in pubsub.listen():
                if message["type"] == "psubscribe":
                    listening.set()
                elif message["type"] == "pmessage":
                    self._take(message["data"])

    def _take(self, payload: bytes) -> None:
        now = time.monotonic_ns()
        frame = json.loads(payload.split(b"|", 3)[3])
        self.ends += frame["t"] == "end"
        if frame["t"] != "d":
            return
        self.frames += 1
        ages = [(now - int(stamp)) / 1e6 for stamp in frame["x"].split()]
        self.delays_ms += ages
        if frame["o"] == 0:
            self.first_ms.append(ages[0])


@contextlib.asynccontextmanager
async def listening_reader(redis: Redis) -> AsyncIterator[DelayReader]:
    """Yield a reader that is subscribed."""
    reader, listening = DelayReader(redis), asyncio.Event()
    task = asyncio.create_task(reader.run(listening))
    await listening.wait()
    yield reader
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def measure(bench: InteractiveBench, worker: WorkerProcess, streams: int) -> None:
    """Run the streams once and print what was seen."""
    process = psutil.Process(worker.pid)
    async with listening_reader(bench.redis) as reader:
        await bench.submit("warm", model="clock")
        await eventually(lambda: reader.ends == 1, timeout_seconds=120)
        reader.delays_ms.clear()
        reader.first_ms.clear()
        reader.frames, cpu, begun = 0, sum(process.cpu_times()[:2]), time.monotonic()
        await bench.submit(*(f"p{number}" for number in range(streams)), model="clock")
        submitted = time.monotonic() - begun
        await eventually(lambda: reader.ends == 1 + streams, timeout_seconds=300, what="every stream to end")
        wall = time.monotonic() - begun
        cpu_share = (sum(process.cpu_times()[:2]) - cpu) / wall
    delays, first = reader.delays_ms, reader.first_ms
    print(f"{streams} streams × {TOKENS_PER_SECOND} tokens/s, submitted in {submitted:.1f} s, over in {wall:.1f} s")
    for name, values in (("provider → Redis, each token", delays), ("provider → Redis, first token", first)):
        spots = ", ".join(f"p{share:g} {percentile(values, share / 100):.1f}" for share in (50, 90, 99))
        print(f"{name}: {spots} ms ({len(values)} tokens)")
    print(f"worker: {cpu_share:.0%} of a core, {process.memory_info().rss / 2**20:.0f} MiB, {reader.frames} frames")


async def measure_cancels(bench: InteractiveBench, upstream: ScriptedUpstream, count: int) -> None:
    """Cancel streams one by one and print how soon the provider sees its socket closed."""
    upstream.default = Script(gate=asyncio.Event())
    row_ids = await bench.submit(*(f"c{number}" for number in range(count)))
    await eventually(lambda: len(upstream.calls) == count, timeout_seconds=60)
    delays: list[float] = []
    for row_id in row_ids:
        closed = {call.number for call in upstream.calls if call.closed_by_client_at}
        begun = time.monotonic()
        await publish_cancel(bench.redis, row_id)
        call = await eventually(lambda seen=closed: find_closed(upstream, seen), what="the socket to close")
        delays.append(((call.closed_by_client_at or 0) - begun) * 1000)
    spots = ", ".join(f"p{share:g} {percentile(delays, share / 100):.1f}" for share in (50, 90, 99))
    print(f"cancel → provider's socket closed, before the first token: {spots} ms ({count} cancels)")


def find_closed(upstream: ScriptedUpstream, seen: set[int]) -> Call | None:
    """Return a call that was closed and is not among those seen."""
    return next((call for call in upstream.calls if call.closed_by_client_at and call.number not in seen), None)


async def measure_stop(bench: InteractiveBench, upstream: ScriptedUpstream, worker: WorkerProcess, count: int) -> None:
    """Send SIGTERM to a worker full of streams that will not end, and print how soon it is gone."""
    before = len(upstream.calls)
    row_ids = await bench.submit(*(f"s{number}" for number in range(count)))
    await eventually(lambda: len(upstream.calls) == before + count, timeout_seconds=60)
    begun = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    status = await worker.wait_for_exit()
    seconds = time.monotonic() - begun
    now = utc_now()
    back = sum(row.lease_until is not None and row.lease_until <= now for row in await bench.rows(row_ids))
    print(f"SIGTERM with {count} streams under way: gone after {seconds:.1f} s (status {status}), {back} handed back")


async def run(streams: int, tokens: int) -> None:
    """Start everything, measure, stop."""
    with (
        tempfile.TemporaryDirectory() as name,
        upstream_process(tokens) as upstream_url,
        PrivateRedis(Path(name) / "redis") as redis,
        PrivatePostgres(Path(name) / "postgres", durable=True) as postgres,
    ):
        migrate(postgres.url)
        options = {"database_url": postgres.url, "redis_url": redis.url, "upstream_url": upstream_url}
        async with (
            open_bench(postgres.url, redis.url) as bench,
            WorkerProcess(Path(name), concurrency=streams + 20, **options) as worker,
        ):
            await measure(bench, worker, streams)
        async with (
            ScriptedUpstream() as upstream,
            open_bench(postgres.url, redis.url) as bench,
            WorkerProcess(Path(name), concurrency=320, **(options | {"upstream_url": upstream.url})) as worker,
        ):
            await measure_cancels(bench, upstream, 100)
            await measure_stop(bench, upstream, worker, 300)


def main() -> None:
    """Measure, or serve as the provider of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=400, help="per stream")
    parser.add_argument("--serve", type=int, help="be the provider, on this port")
    arguments = parser.parse_args()
    if arguments.serve:
        web.run_app(build_upstream(arguments.tokens), host="127.0.0.1", port=arguments.serve, print=None)
    else:
        asyncio.run(run(arguments.streams, arguments.tokens))


if __name__ == "__main__":
    main()
