"""The bridge on its own: threads hand coroutines to one loop, and get them back."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.workers.process.bridge import BridgeError, JobCancelledError, LoopBridge


@pytest.fixture
def bridge() -> Iterator[LoopBridge]:
    bridge = LoopBridge()
    bridge.start()
    yield bridge
    bridge.stop()


async def get_thread() -> str:
    return threading.current_thread().name


def test_coroutines_of_many_threads_run_on_one_loop(bridge: LoopBridge) -> None:
    with ThreadPoolExecutor(20) as threads:
        names = set(threads.map(lambda _: bridge.run_job(get_thread()), range(200)))
    assert names == {"worker-loop"}
    assert bridge.jobs.count == 0


def test_an_error_reaches_the_thread_that_waits(bridge: LoopBridge) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        bridge.run_job(fail())


def test_a_cancelled_job_cleans_up_before_its_thread_goes_on(bridge: LoopBridge) -> None:
    steps: list[str] = []
    begun = threading.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            steps.append("cleaned")

    def wait() -> None:
        with pytest.raises(JobCancelledError):
            bridge.run_job(work())
        steps.append("returned")

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        begun.wait(5)
        assert bridge.run(bridge.jobs.cancel())
        waiting.result(5)
    assert steps == ["cleaned", "returned"]


def test_a_bridge_that_was_not_started_says_so() -> None:
    with pytest.raises(BridgeError, match="not running"):
        LoopBridge().run(get_thread())


def test_starting_twice_keeps_the_loop(bridge: LoopBridge) -> None:
    bridge.start()
    assert bridge.run(get_thread()) == "worker-loop"


def test_work_is_refused_after_the_stop(bridge: LoopBridge) -> None:
    bridge.stop()
    with pytest.raises(BridgeError, match="not running"):
        bridge.run(get_thread())
