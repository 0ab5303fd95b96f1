"""The faults: each strikes a worker that holds a row of every kind, and then lets everything come to its end."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

from shared.stores.away import StoreAwayError
from tests.support.failover import set_read_only
from tests.support.faults.case import Fault, KindCase
from tests.support.faults.kinds import KINDS
from tests.support.faults.mill import LEASE_SECONDS, FaultMill
from tests.support.faults.texts import Expansion
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.worker_process import WorkerProcess

LIMIT_SECONDS = 150.0
"""A deadline for a machine that does much else; a quiet one needs a tenth of it."""

Strike = Callable[[FaultMill, WorkerProcess, AsyncExitStack], Awaitable[None]]


async def kill(mill: FaultMill, worker: WorkerProcess, stack: AsyncExitStack) -> None:
    """`kill -9`; another worker finds the rows."""
    worker.kill()
    await mill.open_gate()
    await stack.enter_async_context(mill.make_worker("second"))


async def freeze(mill: FaultMill, worker: WorkerProcess, stack: AsyncExitStack) -> None:
    """The worker sleeps through its leases, another one takes the rows over and ends them, then the sleeper wakes."""
    await stop_between_transactions(mill, worker)
    await stack.enter_async_context(mill.make_worker("second"))
    await mill.open_gate()
    # The sleeper holds the expanded run's lock, as its transaction is open: that one goes on when it wakes.
    await wait_until_over(mill, [case for case in KINDS if not isinstance(case, Expansion)])
    worker.send_signal(signal.SIGCONT)


async def fail_over(mill: FaultMill, worker: WorkerProcess, stack: AsyncExitStack) -> None:
    """Postgres takes no writes for longer than a lease, while the results come in; a second worker waits for prey."""
    set_read_only(mill.postgres, mill.database_url, is_read_only=True)
    await mill.open_gate()
    await stack.enter_async_context(mill.make_worker("second"))
    await wait_until_lapsed(mill)
    set_read_only(mill.postgres, mill.database_url, is_read_only=False)


async def lose_redis(mill: FaultMill, worker: WorkerProcess, stack: AsyncExitStack) -> None:
    """Redis is gone for longer than a lease, and comes back as it was."""
    await asyncio.to_thread(mill.redis_server.kill)
    await mill.open_gate()
    second = mill.make_worker("second")  # ready once Redis is back
    stack.callback(second.kill)
    second.launch()
    begun = time.monotonic()
    await eventually_async(lambda: has_passed(begun, 1.5 * LEASE_SECONDS), what="more than a lease to pass")
    await asyncio.to_thread(mill.redis_server.start)


STRIKES: dict[Fault, Strike] = {
    Fault("killed", repeats=True): kill,
    Fault("frozen", repeats=True): freeze,
    Fault("failed_over", repeats=False): fail_over,
    Fault("without_redis", repeats=False): lose_redis,
}


async def has_passed(begun: float, seconds: float) -> bool:
    """Say whether so much time is over: a fault lasts, and has no event that says so."""
    return time.monotonic() - begun > seconds


async def stop_between_transactions(mill: FaultMill, worker: WorkerProcess) -> None:
    """Freeze the worker while none of its transactions is open but that of the expansion: an open one would hold its
    locks, which is another fault."""
    idle = "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"

    async def has_stopped() -> bool:
        worker.send_signal(signal.SIGSTOP)
        is_clean = bool(await mill.read(idle) <= 1)  # the test's own lock
        if not is_clean:
            worker.send_signal(signal.SIGCONT)
        return is_clean

    await eventually_async(has_stopped, what="a moment without transactions")


async def wait_until_lapsed(mill: FaultMill) -> None:
    """Wait until the leases that the worker last renewed are over."""
    leases = "select lease_until < now() - interval '1 s' from completion"

    async def has_lapsed() -> bool:
        return bool(await mill.read(leases))

    await eventually_async(has_lapsed, what="the leases to lapse")


async def wait_until_over(mill: FaultMill, cases: Sequence[KindCase]) -> None:
    """Wait for the end of each kind; note the problem of one that does not come to it."""

    async def wait(case: KindCase) -> None:
        try:
            await eventually_async(
                lambda: is_over(mill, case), timeout_seconds=LIMIT_SECONDS, what=f"{case.name} to end"
            )
        except Exception as error:  # of one kind: its own test tells
            mill.problems[case.name] = repr(error)

    await asyncio.gather(*(wait(case) for case in cases))


async def is_over(mill: FaultMill, case: KindCase) -> bool:
    """Say whether a kind is seen to have ended: the failover ends the connections that this is read by, too."""
    try:
        return await case.is_over(mill)
    except StoreAwayError:
        return False


async def run_fault(mill: FaultMill, fault: Fault, cases: Sequence[KindCase] = KINDS) -> None:
    """Have a worker hold a row of every kind (or of some), strike it, and wait for the ends."""
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(mill.make_worker("first"))
        await stack.enter_async_context(reaping(mill.interactive.sender))
        await submit_and_wait(mill, [case for case in cases if case.is_patient])
        await submit_and_wait(mill, [case for case in cases if not case.is_patient])
        mill.held = {case.name: await case.is_held(mill) for case in cases}
        await STRIKES[fault](mill, worker, stack)
        await wait_until_over(mill, cases)


async def submit_and_wait(mill: FaultMill, cases: list[KindCase]) -> None:
    """Queue a job of each kind and wait until each is held."""
    for case in cases:
        await case.submit(mill)

    async def are_held() -> bool:
        return all([await case.is_held(mill) for case in cases])

    with suppress(TimeoutError):  # the tests say which one was not
        await eventually_async(are_held, timeout_seconds=LIMIT_SECONDS, what="the kinds to be held")
