"""What a tracker's child process costs: seconds to open a run, to take the article's 1,857 steps and to finish, and
the memory of the process and its own children.

    python -m benchmarks.trackers --python .cache/venvs/trackers-*/bin/python"""

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path

import psutil

from services.workers.deliveries.sink_process import SinkProcess
from shared.stores.db.repositories.tracker_runs import SINKS

STEPS = 1857
PATIENCE_SECONDS = 120.0


def make_rows() -> list[dict[str, float]]:
    """Return the metrics of a job as the article's."""
    return [
        {"step": step, "time": time.time(), "train_loss": 2 / step, "train_token_accuracy": 0.5, "elapsed_tokens": step}
        for step in range(1, STEPS + 1)
    ]


def measure_memory(pid: int) -> int:
    """Return the resident MiB of a process and all below it."""
    process = psutil.Process(pid)
    return round(sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 2**20)


async def measure_sink(sink: str, python: Path, folder: Path) -> str:
    """Tell one tracker of one job."""
    process = await SinkProcess.start(sink, python)
    marks = [time.monotonic()]
    await process.ask({"open": {"job_id": "ftjob-1", "folder": str(folder / sink)}}, PATIENCE_SECONDS)
    marks.append(time.monotonic())
    await process.ask({"rows": make_rows()}, PATIENCE_SECONDS)
    marks.append(time.monotonic())
    memory = measure_memory(process.pid)
    await process.ask({"finish": {"status": "succeeded"}}, PATIENCE_SECONDS)
    marks.append(time.monotonic())
    await process.kill()
    opened, written, finished = (after - before for before, after in itertools.pairwise(marks))
    return f"{sink:<12} open {opened:5.2f} s   {STEPS} steps {written:5.2f} s   finish {finished:5.2f} s   {memory} MiB"


async def main() -> None:
    """Measure every tracker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="the interpreter that has the trackers")
    python = parser.parse_args().python.absolute()
    with tempfile.TemporaryDirectory() as folder:
        for sink in SINKS:
            print(await measure_sink(sink, python, Path(folder)))


if __name__ == "__main__":
    asyncio.run(main())
