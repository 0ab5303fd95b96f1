"""Measures dataset preparation: `python -m benchmarks.datasets [--rows 10000 100000] [--public-tool]`.

Prints rows/s, CPU seconds and peak memory per size for parity mode and for the full inspection, the public tool of
openai 0.27.4 on the same files with a byte comparison of the rows, and recall and precision of near-duplicates.
Every run is a fresh process. `parity` and `public_tool` count its start; `_work` is the work alone, imports done.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.datasets_rows import LETTERS, story, write_rows
from services.workers.datasets.near_duplicates.index import group_near_duplicates
from tests.support.legacy_environment import legacy_python

REPEATS = 3
PLANTED, BACKGROUND = 1_000, 20_000


def measure(command: list[str], source: Path) -> dict[str, Any]:
    """Run in a copy of the folder's state; the best of three by wall time."""
    runs = []
    for _ in range(REPEATS if source.stat().st_size < 2e8 else 1):
        for old in source.parent.glob(f"{source.stem}_prepared*"):
            old.unlink()
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OPENAI_API_KEY": "unused"})
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, command
        cpu = usage.ru_utime + usage.ru_stime
        runs.append({"wall_s": time.perf_counter() - start, "cpu_s": cpu, "peak_mb": usage.ru_maxrss / 1024})
    return min(runs, key=lambda run: run["wall_s"])


def compare(rows: int, folder: Path, with_public_tool: bool) -> dict[str, Any]:
    """All contenders on one file."""
    source = folder / f"rows{rows}.csv"
    write_rows(source, rows)
    ours = [sys.executable, "-m", "services.workers.datasets.command", str(source), "--quiet"]
    prepared = folder / f"rows{rows}_prepared.jsonl"
    found: dict[str, Any] = {"rows": rows, "file_mb": round(source.stat().st_size / 1e6, 1)}
    found["full"] = measure(ours, source)
    parity = [sys.executable, "-m", "services.workers.datasets.parity", "-f", str(source), "-q"]
    found["parity"] = measure(parity, source)
    if with_public_tool:
        mine = prepared.read_bytes()
        tool = str(legacy_python().parent / "openai")
        found["public_tool"] = measure([tool, "tools", "fine_tunes.prepare_data", "-f", str(source), "-q"], source)
        found["same_rows"] = mine == prepared.read_bytes()
        found["parity_work"], found["public_tool_work"] = work_alone(source), public_tool_work_alone(source)
        for kind in ("wall_s", "cpu_s"):
            found[f"times_faster_{kind}"] = found["public_tool"][kind] / found["parity"][kind]
            found[f"times_faster_work_{kind}"] = found["public_tool_work"][kind] / found["parity_work"][kind]
    for path in folder.glob(f"rows{rows}*"):
        path.unlink()
    return found


WORK = """
import io, json, sys, time
from services.workers.datasets.parity.conversation import Streams, prepare_like_the_public_tool
streams = Streams(io.StringIO(), sys.stderr, lambda question: True)
wall, cpu = time.perf_counter(), time.process_time()
prepare_like_the_public_tool(sys.argv[1], streams)
print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))
"""


def work_alone(source: Path) -> dict[str, float]:
    """Our work without the start of the process, the best of three."""
    command = [sys.executable, "-c", WORK, str(source)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(REPEATS)]
    return min(runs, key=lambda run: run["wall_s"])


def public_tool_work_alone(source: Path) -> dict[str, float]:
    """The public tool's work without the start of the process, the best of three."""
    runs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "data").mkdir()
            (Path(folder) / "data" / source.name).symlink_to(source)
            outcomes = Path(folder) / "outcomes.json"
            script = Path("tests/support/legacy_prepare_data.py").resolve()
            command = [str(legacy_python()), str(script), f"{folder}/data", str(outcomes)]
            subprocess.run(command, check=True, env={**os.environ, "OPENAI_API_KEY": "unused"})
            runs.append(json.loads(outcomes.read_text())[source.name])
    best = min(runs, key=lambda run: run["wall_s"])
    return {"wall_s": best["wall_s"], "cpu_s": best["cpu_s"]}


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


def main() -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--public-tool", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            print(json.dumps(compare(rows, Path(folder), options.public_tool and rows <= 100_000)), flush=True)

    # Last: a child's peak memory is never below what its parent has at the start.
    print(json.dumps({"near_duplicates": measure_near_duplicates()}), flush=True)


if __name__ == "__main__":
    main()
