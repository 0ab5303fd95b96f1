"""Token streams, measured beside a bare server in one run: `make bench-streams`.

Fan-out and memory are per processor second and per socket of the server process, so that clients on the same
machine do not count. Latency is from the worker's `write` to the client's socket, through Redis and hub."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.stream_clients import CountingClient, connect
from services.workers.streams.handle import StreamHandle
from services.workers.streams.writer import StreamWriter
from shared.settings import Settings
from shared.stores.db.session import Database
from shared.stores.redis.connection import open_redis
from storymill.launcher.ports import find_free_port
from tests.integration.streaming.processes import ServiceProcess, streaming_process
from tests.integration.streaming.service import Account, Worker, add_account
from tests.support.stack import PROJECT_ROOT, start_postgres, start_redis, wait_until

SOCKETS = 200
FRAMES = 250
FRAMES_PER_SECOND = 50.0
ROUNDS = 3
IDLE_SOCKETS = 1000
LATENCY_STREAMS = 100
LATENCY_TOKENS = 100
TOKENS_PER_SECOND = 20.0
TICK_SECONDS = 0.02
PATH = "/v1/streams"


@dataclass
class Bench:
    """The service under test, its worker, and a bare server."""

    service: ServiceProcess
    worker: Worker
    account: Account
    bare: subprocess.Popen[bytes]
    bare_port: int

    async def open_ours(self, count: int, handle: StreamHandle | None = None) -> list[CountingClient]:
        """Open sockets to the service, each watching one stream if given."""
        clients = []
        for _ in range(count):
            client = await connect(self.service.port, PATH, self.account.headers)
            if handle is not None:
                client.send(json.dumps({"t": "sub", "id": 1, "stream": handle.stream_id}))
            clients.append(client)
        return clients


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def settle(clients: list[CountingClient]) -> int:
    """Wait until nothing comes any more; return the messages received in all."""
    before, count = -1, 0
    while count != before:
        before = count
        await asyncio.sleep(0.5)
        count = sum(client.messages for client in clients)
    return count


async def measure_ours(bench: Bench) -> float:
    """Return frames delivered per processor second of the streaming service."""
    handle = await bench.worker.open_stream(bench.account)
    clients = await bench.open_ours(SOCKETS, handle)
    before = await settle(clients)
    cpu = cpu_seconds(bench.service.process.pid)  # type: ignore[union-attr]
    begun = time.monotonic()
    for number in range(FRAMES):
        await asyncio.sleep(max(0.0, begun + number / FRAMES_PER_SECOND - time.monotonic()))
        handle.write("从前有座山，")
        await handle.flush()
    delivered = await settle(clients) - before
    cpu = cpu_seconds(bench.service.process.pid) - cpu  # type: ignore[union-attr]
    await bench.worker.finish(handle)
    for client in clients:
        client.close()
    print(f"    ours: {delivered} of {SOCKETS * FRAMES} frames as messages of their own, {cpu:.2f} s of processor")
    return delivered / cpu


async def measure_bare(bench: Bench) -> float:
    """Return frames delivered per processor second of the bare server."""
    clients = [await connect(bench.bare_port, PATH, {}) for _ in range(SOCKETS)]
    cpu = cpu_seconds(bench.bare.pid)
    url = f"http://127.0.0.1:{bench.bare_port}/push?count={FRAMES}&per_second={FRAMES_PER_SECOND}"
    await asyncio.to_thread(urllib.request.urlopen, url)
    await asyncio.sleep(FRAMES / FRAMES_PER_SECOND)
    delivered = await settle(clients)
    cpu = cpu_seconds(bench.bare.pid) - cpu
    for client in clients:
        client.close()
    print(f"    bare: {delivered} of {SOCKETS * FRAMES} frames, {cpu:.2f} s of processor")
    return delivered / cpu


async def measure_fan_out(bench: Bench) -> None:
    """Print frames a second and core for one stream on many sockets, beside the bare server's."""
    print(
        f"fan-out: one stream, {SOCKETS} sockets, {FRAMES} frames at {FRAMES_PER_SECOND:g}/s, {ROUNDS} rounds in turn"
    )
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(await measure_bare(bench))
        ours.append(await measure_ours(bench))
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    print(f"  ours {statistics.median(ours):,.0f} frames/s/core, bare {statistics.median(bare):,.0f}")
    print(f"  ratio median {statistics.median(ratios):.2f}, range {min(ratios):.2f}-{max(ratios):.2f} (bar 0.60)\n")


async def measure_memory(bench: Bench) -> None:
    """Print what an idle socket costs in memory, ours and the bare server's."""
    print(f"memory: {IDLE_SOCKETS} idle sockets")
    for name, pid, opening in (
        ("bare", bench.bare.pid, [connect(bench.bare_port, PATH, {}) for _ in range(IDLE_SOCKETS)]),
        ("ours", bench.service.process.pid, [bench.open_ours(1) for _ in range(IDLE_SOCKETS)]),  # type: ignore[union-attr]
    ):
        before = psutil.Process(pid).memory_info().rss
        opened = [await one for one in opening]
        await asyncio.sleep(1)
        grown = psutil.Process(pid).memory_info().rss - before
        print(f"  {name}: {grown / IDLE_SOCKETS / 1024:.1f} KiB a socket" + (" (bar 30)" if name == "ours" else ""))
        for one in opened:
            for client in one if isinstance(one, list) else [one]:
                client.close()
        await asyncio.sleep(1)
    print()


async def measure_latency(bench: Bench) -> None:
    """Print how long a token is on its way, from the worker's write to the client's read."""
    print(
        f"latency: {LATENCY_STREAMS} streams on {LATENCY_STREAMS} sockets, {TOKENS_PER_SECOND:g} tokens/s each, "
        f"tick {TICK_SECONDS * 1000:g} ms"
    )
    first: list[float] = []
    later: list[float] = []

    def note_arrival(message: bytes) -> None:
        now = time.monotonic()
        frames = json.loads(message)
        for frame in frames if isinstance(frames, list) else [frames]:
            if frame["t"] == "d":
                for token in frame["x"].split():
                    (first if frame["o"] == 0 and token == frame["x"].split()[0] else later).append(now - float(token))

    handles = []
    for _ in range(LATENCY_STREAMS):
        handle = await bench.worker.open_stream(bench.account)
        client = await connect(bench.service.port, PATH, bench.account.headers, note_arrival)
        client.send(json.dumps({"t": "sub", "id": 1, "stream": handle.stream_id}))
        handles.append(handle)
    await asyncio.sleep(2)
    await asyncio.gather(*(write_tokens(handle, number) for number, handle in enumerate(handles)))
    await asyncio.sleep(0.5)
    for name, values in (("first token", first), ("later tokens", later)):
        cuts = statistics.quantiles([value * 1000 for value in values], n=100)
        print(f"  {name}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms ({len(values)} samples)")
    print(f"  bars: first token p50 10 ms, p99 30 ms; later tokens p99 {TICK_SECONDS * 1000 + 5:g} ms\n")


async def write_tokens(handle: StreamHandle, number: int) -> None:
    """Write the moment of writing as each token, at a steady pace."""
    begun = time.monotonic() + number / LATENCY_STREAMS * 3
    for token in range(LATENCY_TOKENS):
        await asyncio.sleep(max(0.0, begun + token / TOKENS_PER_SECOND - time.monotonic()))
        handle.write(f"{time.monotonic():.6f} ")


def start_bare(port: int) -> subprocess.Popen[bytes]:
    """Start the server that does nothing but send."""
    return subprocess.Popen([sys.executable, "-m", "benchmarks.bare_socket_server", str(port)], cwd=PROJECT_ROOT)


async def run(database_url: str, redis_url: str, folder: Path) -> None:
    """Start every server on private stores, measure, and stop them."""
    database = Database(Settings(database_url=database_url))
    redis = open_redis(redis_url)
    writer = StreamWriter(redis, tick_seconds=TICK_SECONDS)
    await writer.start()
    account = await add_account(database, "bench")
    bare_port = find_free_port()
    bare = start_bare(bare_port)
    limits = {"handshakes_per_second": 10_000, "slow_seconds": 60}
    with streaming_process(database_url, redis_url, folder, **limits) as service:
        try:
            bench = Bench(service, Worker(database, writer), account, bare, bare_port)
            await asyncio.to_thread(wait_until, lambda: psutil.Process(bare.pid).net_connections())
            await measure_memory(bench)  # first: later nobody knows what the allocator still holds
            await measure_fan_out(bench)
            await measure_latency(bench)
        finally:
            bare.kill()
            bare.wait()
    await writer.stop()
    await redis.aclose()
    await database.close()


def main() -> None:
    """Print the load before the run, then every measurement."""
    print(f"load of the machine before the run: {psutil.getloadavg()[0]:.2f} on {psutil.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as folder:
        redis = start_redis(Path(folder) / "redis")
        postgres = start_postgres(Path(folder) / "postgres")
        try:
            asyncio.run(run(postgres.database_url(postgres.create_database()), redis.url, Path(folder)))
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
