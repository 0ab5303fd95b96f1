"""Stores that restart, forget and fill up under load: nothing dies, texts come late at most, and all goes on by
itself."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from redis import Redis

from shared.stores.queue.line import WAITING
from storymill.client.errors import ApiError, UnreachableError
from tests.e2e.trials.load import CLIENTS, Load
from tests.support.stack import PrivateRedis, wait_until
from tests.support.upstream_thread import UpstreamThread, serve_upstream
from tests.support.whole_mill import WholeMill

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
"""Times the bounds below, on a machine that does other things too."""
RESTARTS = 20
RESTARTED_SECONDS = 5.0
FLUSHES = 3
FLUSHED_SECONDS = 6.0
DISK_MIB = 900
FULL_SECONDS = 30.0


@pytest.fixture(scope="module")
def provider() -> Iterator[UpstreamThread]:
    """A provider that answers at once."""
    with serve_upstream() as serving:
        yield serving


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    """A Redis of the operator's own."""
    with PrivateRedis(tmp_path_factory.mktemp("redis"), durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def mill(
    tmp_path_factory: pytest.TempPathFactory, provider: UpstreamThread, redis: PrivateRedis
) -> Iterator[WholeMill]:
    """The whole product on that Redis, whose URL stands in a file."""
    folder = tmp_path_factory.mktemp("outages")
    (folder / "redis-url").write_text(redis.url)
    running = WholeMill(
        folder / "state",
        environment={"STORYMILL_REDIS_URL_FILE": str(folder / "redis-url")},
        arguments=("--upstream", provider.upstream.url),
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def load(mill: WholeMill) -> Iterator[Load]:
    """Clients that ask all the time."""
    asking = Load(mill.api().base_url, mill.api().api_key)
    asking.start()
    wait_until(lambda: len(asking.waits) > 20, timeout_seconds=60, what="the first texts")
    yield asking
    asking.stop()


def list_processes(mill: WholeMill) -> dict[str, int]:
    """Return the process ids by name."""
    names = ("gateway", "streaming", "worker-interactive", "worker-generation", "worker-batch", "worker-maintenance")
    return {name: mill.find_process(name)["pid"] for name in names}


def wait_for_more(load: Load, count: int) -> None:
    """Wait until so many more texts have come."""
    wanted = len(load.waits) + count
    wait_until(lambda: len(load.waits) >= wanted, timeout_seconds=60, what="texts to come again")


def test_twenty_restarts_of_redis_kill_no_worker_and_make_texts_late_at_most(
    mill: WholeMill, redis: PrivateRedis, load: Load
) -> None:
    before, begun = list_processes(mill), time.monotonic()
    for number in range(RESTARTS):
        if number % 2:
            redis.restart()
        else:
            redis.kill()
            redis.start()
        wait_for_more(load, 5)
    load.stop()
    print(f"\n{RESTARTS} restarts of Redis: {len(load.waits)} texts, the worst after {load.worst_since(begun):.2f} s")
    assert list_processes(mill) == before
    assert load.failures == []
    assert load.worst_since(begun) <= RESTARTED_SECONDS * PATIENCE


def find_url_file(mill: WholeMill) -> Path:
    """Return the file that the address of Redis stands in."""
    return mill.state_dir.parent / "redis-url"


def test_the_password_of_redis_changes_under_load(mill: WholeMill, redis: PrivateRedis, load: Load) -> None:
    before, begun, file = list_processes(mill), time.monotonic(), find_url_file(mill)
    old, new = file.read_text(), file.read_text().replace(":test@", ":other@")
    assert old != new
    for added, removed, url in (("+other", "-test", new), ("+test", "-other", old)):  # and back, for the next test
        with Redis.from_url(redis.url if url == new else new) as client:
            client.acl_setuser("default", enabled=True, passwords=[added])
            file.write_text(url)
            client.acl_setuser("default", enabled=True, passwords=[removed])
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub", skipme=True)
        wait_for_more(load, 5 * CLIENTS)
    load.stop()
    print(
        f"\npassword of Redis changed twice: {len(load.waits)} texts, the worst after {load.worst_since(begun):.2f} s"
    )
    assert list_processes(mill) == before
    assert load.failures == []
    assert load.worst_since(begun) <= RESTARTED_SECONDS * PATIENCE


def count_waiting(redis: PrivateRedis) -> int:
    """Return how many texts stand in the line."""
    with Redis.from_url(redis.url) as client:
        return sum(client.zcard(key) for key in client.scan_iter(f"{WAITING}*"))


def test_after_a_flush_texts_are_late_at_most(mill: WholeMill, redis: PrivateRedis, load: Load) -> None:
    """Right after a restart, while all clients' texts stand in the line: the worker is held until they do."""
    late = 0.0
    for _ in range(FLUSHES):
        worker = psutil.Process(mill.find_process("worker-interactive")["pid"])
        redis.restart()
        worker.suspend()
        wait_until(lambda: count_waiting(redis) >= CLIENTS, timeout_seconds=10, what="texts to wait")
        redis.flush(0)
        flushed_at = time.monotonic()
        assert count_waiting(redis) == 0
        worker.resume()
        wait_for_more(load, 2 * CLIENTS)
        late = max(late, load.find_latest(flushed_at) - flushed_at)
    load.stop()
    print(f"\n{FLUSHES} flushes: {len(load.waits)} texts, the last that was lost came {late:.2f} s after its flush")
    assert load.failures == []
    assert 0 < late <= FLUSHED_SECONDS * PATIENCE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False).returncode != 0:
        pytest.skip("only root mounts disks")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on the disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while out.write(b"\0" * 65536):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk took everything")


def upload(mill: WholeMill) -> str:
    """Upload a file of 1 MB; return what went wrong, nothing when it was kept."""
    try:
        with mill.api() as api, tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
            file.write(os.urandom(500_000).hex().encode())
            file.flush()
            api.upload("/files", Path(file.name), purpose="fine-tune")
    except (ApiError, UnreachableError) as error:
        return str(error)
    return ""


def read_ready(mill: WholeMill) -> dict[str, Any]:
    """Return what the gateway's /readyz says; nothing while nobody answers."""
    try:
        url = mill.api().base_url.removesuffix("/v1") + "/readyz"
        said: dict[str, Any] = httpx2.get(url, timeout=10, trust_env=False).json()
    except httpx2.HTTPError:
        return {"status": "unreachable", "problems": []}
    return said


def is_told(words: Callable[[], str]) -> bool:
    """Say whether a disk that is full is told of."""
    return "disk" in words() and "full" in words()


def test_a_full_disk_is_told_and_all_goes_on_when_there_is_room_again(
    small_disk: Path, provider: UpstreamThread
) -> None:
    mill = WholeMill(small_disk / "state", arguments=("--upstream", provider.upstream.url))
    mill.start()
    asking = Load(mill.api().base_url, mill.api().api_key)
    try:
        assert upload(mill) == ""
        asking.start()
        wait_until(lambda: len(asking.waits) > 20, timeout_seconds=60, what="the first texts")
        before, (filler, full_at) = list_processes(mill), (fill(small_disk), time.monotonic())
        wait_until(lambda: is_told(lambda: str(read_ready(mill))), timeout_seconds=20, what="/readyz to tell")
        wait_until(lambda: is_told(lambda: mill.run("status").stdout), timeout_seconds=20, what="status to tell")
        errors = set()
        while time.monotonic() - full_at < FULL_SECONDS:
            errors.add(upload(mill))
            time.sleep(1)
        served = len(asking.waits)
        filler.unlink()
        free_at = time.monotonic()
        wait_until(lambda: len(asking.waits) > served + 20, timeout_seconds=120, what="texts")
        wait_until(lambda: upload(mill) == "", timeout_seconds=60, what="files to be kept")
        wait_until(lambda: mill.run("status").returncode == 0, timeout_seconds=60, what="everything to be ready")
        ready_after, worst = time.monotonic() - free_at, asking.worst_since(full_at)
        asking.stop()
        print(
            f"\na full disk: {sorted(errors)}; all ready {ready_after:.1f} s after; the worst text {worst:.1f} s late"
        )
        assert all("disk" in error for error in errors), errors
        assert asking.failures == []
        assert list_processes(mill) == before
    finally:
        mill.stop()
        for child in psutil.process_iter(["cmdline"]):
            assert str(small_disk) not in " ".join(child.info["cmdline"] or [])
