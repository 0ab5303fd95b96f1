"""Measures dataset preparation: `python -m benchmarks.datasets [--rows 10000 100000] [--public-tool]`.

Prints rows/s, CPU seconds and peak memory per size for parity mode and for the full inspection, the public tool of
openai 0.27.4 on the same files with a byte comparison of the rows, growth of memory per row, and recall and precision
of near-duplicates. Every run is a fresh process, whose start counts; the contenders take turns, figures are medians.
`_work` is the work alone, imports done.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.datasets_rows import LETTERS, story, write_rows
from services.preparation.near_duplicates.index import group_near_duplicates
from tests.support.legacy_environment import legacy_python

ROUNDS, LARGE_ROUNDS = 5, 1
LARGE_BYTES = 200_000_000
SAMPLE_SECONDS = 0.05
PLANTED, BACKGROUND = 1_000, 20_000

Figures = dict[str, float]


def compare(rows: int, folder: Path, with_public_tool: bool) -> dict[str, Any]:
    """All contenders on one file, in turns."""
    source = folder / f"rows{rows}.csv"
    write_rows(source, rows)
    python, package = sys.executable, "services.preparation"
    contenders = {
        "full": [python, "-m", f"{package}.local.command", str(source), "--quiet"],
        "parity": [python, "-m", f"{package}.conversation", "-f", str(source), "-q"],
    }
    if with_public_tool:
        tool = str(legacy_python().parent / "openai")
        contenders["public_tool"] = [tool, "tools", "fine_tunes.prepare_data", "-f", str(source), "-q"]
    runs: dict[str, list[Figures]] = {name: [] for name in contenders}
    prepared: dict[str, str] = {}
    size = source.stat().st_size
    for _ in range(ROUNDS if size < LARGE_BYTES else LARGE_ROUNDS):
        for name, command in contenders.items():
            runs[name].append(measure(command))
            prepared[name] = take_prepared(source)
        if with_public_tool:
            runs.setdefault("parity_work", []).append(work_alone(source))
            runs.setdefault("public_tool_work", []).append(public_tool_work_alone(source))
            take_prepared(source)
    found: dict[str, Any] = {"rows": rows, "file_mb": round(size / 1e6, 1)}
    found |= {name: take_medians(figures) | {"rows_per_cpu_s": rate(rows, figures)} for name, figures in runs.items()}
    if with_public_tool:
        found["same_rows"] = prepared["parity"] == prepared["public_tool"]
        for name, ours, theirs in (("", "parity", "public_tool"), ("work_", "parity_work", "public_tool_work")):
            for kind in ("cpu_s", "wall_s"):
                found[f"times_faster_{name}{kind}"] = round(found[theirs][kind] / found[ours][kind], 2)
    source.unlink()
    return found


def measure(command: list[str]) -> Figures:
    """One run of a command: its own time and memory, and those of the processes that it starts."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OPENAI_API_KEY": "unused"})
    peaks = [0]
    watch = threading.Thread(target=watch_memory, args=(process.pid, peaks), daemon=True)
    watch.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    watch.join()
    assert status == 0, command
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall_s": seconds, "cpu_s": cpu, "peak_mb": max(*peaks, usage.ru_maxrss * 1024) / (1 << 20)}


def watch_memory(pid: int, peaks: list[int]) -> None:
    """Note the resident bytes of a process and all that it started, until it is over."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            found = process.memory_info().rss
            for child in process.children(recursive=True):
                with suppress(psutil.Error):
                    found += child.memory_info().rss
            peaks[0] = max(peaks[0], found)
            time.sleep(SAMPLE_SECONDS)


def take_prepared(source: Path) -> str:
    """Remove what was prepared of a file; return the hash of it."""
    digest = hashlib.sha256()
    for path in sorted(source.parent.glob(f"{source.stem}_prepared*")):
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
        path.unlink()
    return digest.hexdigest()


def take_medians(runs: list[Figures]) -> dict[str, float]:
    """The median of every figure."""
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def rate(rows: int, runs: list[Figures]) -> int:
    """Rows per second of CPU."""
    return round(rows / statistics.median(run["cpu_s"] for run in runs))


WORK = """
import io, json, sys, time
from services.preparation.conversation.dialogue import Streams, prepare_like_the_public_tool
streams = Streams(io.StringIO(), sys.stderr, lambda question: True)
wall, cpu = time.perf_counter(), time.process_time()
prepare_like_the_public_tool(sys.argv[1], streams)
print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))
"""


def work_alone(source: Path) -> Figures:
    """Our work without the start of the process."""
    command = [sys.executable, "-c", WORK, str(source)]
    found: Figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def public_tool_work_alone(source: Path) -> Figures:
    """The public tool's work without the start of the process."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        (Path(folder) / "data" / source.name).symlink_to(source)
        outcomes = Path(folder) / "outcomes.json"
        script = Path("tests/support/legacy_prepare_data.py").resolve()
        command = [str(legacy_python()), str(script), f"{folder}/data", str(outcomes)]
        subprocess.run(command, check=True, env={**os.environ, "OPENAI_API_KEY": "unused"})
        run = json.loads(outcomes.read_text())[source.name]
    return {"wall_s": run["wall_s"], "cpu_s": run["cpu_s"]}


def measure_near_duplicates() -> dict[str, float]:
    """Plant copies with 1 to 4 % of the characters edited among distinct stories."""
    chance = random.Random(2)
    originals = [story(chance) for _ in range(BACKGROUND)]
    copies = []
    for number in range(PLANTED):
        letters = list(originals[number])
        for _ in range(max(1, len(letters) * (1 + number % 4) // 100)):
            letters[chance.randrange(len(letters))] = chance.choice(LETTERS)
        copies.append("".join(letters))
    start = time.perf_counter()
    groups = group_near_duplicates([originals, copies], BACKGROUND + PLANTED)
    seconds = time.perf_counter() - start
    joined = [i for i in range(len(groups)) if groups[i] != i]
    right = [i for i in joined if i >= BACKGROUND and groups[i] == i - BACKGROUND]
    return {"recall": len(right) / PLANTED, "precision": len(right) / max(len(joined), 1), "seconds": seconds}


def find_growth(small: dict[str, Any], large: dict[str, Any]) -> dict[str, Any]:
    """Peak memory and CPU per row more."""
    more = large["rows"] - small["rows"]
    return {
        "from_rows": small["rows"],
        "to_rows": large["rows"],
        **{
            f"{name}_bytes_per_row": round((large[name]["peak_mb"] - small[name]["peak_mb"]) * (1 << 20) / more)
            for name in ("full", "parity")
        },
    }


def main() -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--public-tool", action="store_true")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            found.append(compare(rows, Path(folder), options.public_tool and rows <= 100_000))
            print(json.dumps(found[-1]), flush=True)
    for small, large in itertools.pairwise(found):
        print(json.dumps(find_growth(small, large)))

    # Last: a child's peak memory is never below what its parent has at the start.
    print(json.dumps({"near_duplicates": measure_near_duplicates()}), flush=True)


if __name__ == "__main__":
    main()
