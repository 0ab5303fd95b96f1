"""The process that prepares one dataset, and what it may take: memory, processor, time and disk. It reads strangers'
files; whatever they make of it, it dies alone and its end is a sentence. Knows no database."""

import asyncio
import os
import resource
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.preparation.errors import DatasetError
from shared.bounds import Bounds, setting_of
from shared.contracts.storable import decode_text
from shared.observability.logs import get_logger

WATCH_SECONDS: Final = 0.05
"""A reader that unpacks fast takes some 50 MB in that time."""
DISK_WATCH_ROUNDS: Final = 10
"""Every so many rounds the folder is measured."""
RESERVED_TIMES: Final = 4
"""Address space over resident memory: Arrow and tokenizers reserve what they never touch. The last fence, for what
grows between two looks."""
LEAST_RESERVED_BYTES: Final = 8 * 1024**3
"""Below that, libraries do not even load."""
FIRST_TO_GO: Final = b"1000"
"""For the kernel's memory killer: rather this process than its worker, or Postgres."""
MIB: Final = 1024 * 1024
LOGGED_BYTES: Final = 4_000
"""Of what a crashed preparation said last."""
OUT_OF_MEMORY: Final = (b"MemoryError", b"ArrowMemoryError", b"bad_alloc", b"memory allocation of")
OWN_SIGNALS: Final = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""What a process brings on itself: a library that gave up on a file. Others come from outside."""
KEPT_VARIABLES: Final = ("PATH", "HOME", "TZ", "LANG", "LC_", "PYTHON", "LD_", "OMP_", "OPENBLAS_", "RAYON_", "MALLOC_")
"""How the variables begin that the child gets: what it needs to run, and none of the worker's secrets."""
HOW_TO_GO_ON: Final = "Split the sources, or shorten their longest rows"

log = get_logger(__name__)


class CrashedPreparationError(DatasetError):
    """The preparing process ended without an outcome (killed from outside, or a defect of ours)."""

    code = "preparation_crashed"


class PreparationLimitError(DatasetError):
    """The preparation took more than it may of something; the message names the bound."""

    code = "preparation_limit"

    def __init__(self, what: str, bound: str) -> None:
        super().__init__(f"The preparation was stopped: {what} ({setting_of(bound)}). {HOW_TO_GO_ON}.")


def build_environment() -> dict[str, str]:
    """Return what the child gets of our environment."""
    return {name: value for name, value in os.environ.items() if name.startswith(KEPT_VARIABLES)}


async def run_child(folder: Path, bounds: Bounds, niceness: int) -> None:
    """Run the order in `folder` to its end; killed when we are cancelled.

    Raises: PreparationLimitError when it takes more than `bounds` allow, CrashedPreparationError when it ends with
    another status than 0."""
    check_free_disk(folder, bounds)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.preparation.orders.order_process", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**build_environment(), "TMPDIR": str(folder)},  # its own files go with the folder, also when it is killed
    )
    assert process.stderr is not None
    limit_child(process.pid, bounds, niceness)
    watching = asyncio.create_task(watch_child(process.pid, folder, bounds))
    reading = asyncio.create_task(read_tail(process.stderr))
    try:
        await asyncio.wait({watching, reading}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        tail, status = await reading, await process.wait()
    finally:
        watching.cancel()
        reading.cancel()
        await end_child(process)
    if status != 0:
        raise explain_end(status, tail, bounds)


def limit_child(pid: int, bounds: Bounds, niceness: int) -> None:
    """Put the fences that the kernel keeps around a process that has just begun. Where there are none (no Linux) only
    the watch is left."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        Path(f"/proc/{pid}/oom_score_adj").write_bytes(FIRST_TO_GO)
        most = bound_address_space(bounds)
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
        seconds = int(bounds.prepare_cpu_seconds) + 1
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def bound_address_space(bounds: Bounds) -> int:
    """Return how many bytes of address space a preparation may ask for."""
    return max(RESERVED_TIMES * bounds.prepare_memory_bytes, LEAST_RESERVED_BYTES)


async def watch_child(pid: int, folder: Path, bounds: Bounds) -> None:
    """Look at a process until it is over. Raises: PreparationLimitError when it takes too much."""
    loop = asyncio.get_running_loop()
    begun, rounds = loop.time(), 0
    most_on_disk = bounds.prepare_disk_bytes + bounds.prepare_disk_times * await asyncio.to_thread(weigh, folder)
    while True:
        if (resident := read_resident_bytes(pid)) > bounds.prepare_memory_bytes:
            log.warning("preparation_over_memory", resident_bytes=resident)
            most = bounds.prepare_memory_bytes // MIB
            raise PreparationLimitError(f"it took more than {most} MiB of memory", "prepare_memory_bytes")
        if loop.time() - begun > bounds.prepare_seconds:
            raise PreparationLimitError(f"it took more than {bounds.prepare_seconds:g} s", "prepare_seconds")
        if rounds % DISK_WATCH_ROUNDS == 0:
            check_free_disk(folder, bounds)
            if await asyncio.to_thread(weigh, folder) > most_on_disk:
                what = f"it wrote more than {most_on_disk // MIB} MiB to the disk"
                raise PreparationLimitError(what, "prepare_disk_bytes")
        rounds += 1
        await asyncio.sleep(WATCH_SECONDS)


def check_free_disk(folder: Path, bounds: Bounds) -> None:
    """Pass while the disk has room. Raises: PreparationLimitError below the floor: databases may write there too."""
    if shutil.disk_usage(folder).free < bounds.prepare_free_disk_bytes:
        least = bounds.prepare_free_disk_bytes // MIB
        raise PreparationLimitError(
            f"less than {least} MiB are free on the disk of the worker's temporary files", "prepare_free_disk_bytes"
        )


def read_resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and of those that it started; 0 when it is over, or the system does not
    tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_bytes().split()
    except OSError:
        return 0
    children: list[bytes] = []
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()
    return int(fields[1]) * resource.getpagesize() + sum(read_resident_bytes(int(child)) for child in children)


def weigh(folder: Path) -> int:
    """Return the bytes on disk of all files in a folder, as far as they are still there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(Path(place) / name).st_blocks * 512
    return total


async def read_tail(stream: asyncio.StreamReader) -> bytes:
    """Read a stream to its end, and return what came last."""
    tail = b""
    while piece := await stream.read(LOGGED_BYTES):
        tail = (tail + piece)[-LOGGED_BYTES:]
    return tail


async def end_child(process: asyncio.subprocess.Process) -> None:
    """Kill a process that still runs, and bury it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def explain_end(status: int, tail: bytes, bounds: Bounds) -> DatasetError:
    """Return why a process ended with a bad status, as a sentence."""
    log.error("preparation_crashed", status=status, stderr=decode_text(tail))
    if any(word in tail for word in OUT_OF_MEMORY):
        most = bound_address_space(bounds) // MIB
        return PreparationLimitError(f"it asked for more than {most} MiB of memory", "prepare_memory_bytes")
    if status == -signal.SIGXCPU:
        what = f"it took more than {bounds.prepare_cpu_seconds:g} s of a processor"
        return PreparationLimitError(what, "prepare_cpu_seconds")
    if -status in OWN_SIGNALS:
        return CrashedPreparationError(
            f"The preparation broke off ({name_signal(-status)}) at one of its sources, which is likely damaged. Save "
            "it again in another format, such as CSV or JSON lines; the worker's log says more."
        )
    if status < 0:
        return CrashedPreparationError(
            f"The preparation was ended from outside by {name_signal(-status)}: by an operator, or by the system for "
            "want of memory. Order it again; if it ends so again, split the sources."
        )
    return CrashedPreparationError(f"The preparation ended with status {status}; the worker's log says more.")


def name_signal(number: int) -> str:
    """Return what people call a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
