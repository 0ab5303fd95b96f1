"""How a full inspection grows: `python -m benchmarks.datasets_doubling [--rows 20000] [--characters 200000]`.

Doubles the rows, then the characters of few rows, and prints CPU seconds and peak memory over all processes, less those
of a run on ten rows; of several runs the least, since whatever else runs only adds. The last line of each says by how
much it grew over all doublings, and by how much n log n would have: exits 1 where it is more, and a tenth for noise.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from math import log
from pathlib import Path

from benchmarks.datasets import Figures, measure
from benchmarks.datasets_rows import story, write_rows

FEW_ROWS = 20
STORY_CHARACTERS = 290
RUNS = 3
NOISE = 1.1


def write_long_rows(path: Path, characters: int) -> None:
    """Write few rows of so many characters each."""
    chance = random.Random(3)
    with path.open("w", encoding="utf-8") as out:
        for number in range(FEW_ROWS):
            stories = (story(chance) for _ in range(characters // STORY_CHARACTERS))
            text = "".join(stories)
            out.write(json.dumps({"prompt": f"{number} ->", "completion": text}, ensure_ascii=False) + "\n")


def inspect(source: Path) -> Figures:
    """Prepare a file some times, write nothing but the result; return the least of each figure."""
    runs = []
    for _ in range(RUNS):
        runs.append(measure([sys.executable, "-m", "services.preparation.local.command", str(source), "--quiet"]))
        for made in source.parent.glob(f"{source.stem}_prepared*"):
            made.unlink()
    return {name: min(run[name] for run in runs) for name in runs[0]}


def double(name: str, first: int, doublings: int, folder: Path, write: Callable[[Path, int], None]) -> bool:
    """Print one line per size, then the growth; say whether it stays below n log n."""
    base_path = folder / "base.csv"
    write_rows(base_path, 10)
    base = inspect(base_path)
    found = []
    for step in range(doublings + 1):
        source = folder / f"{name}.{'csv' if name == 'rows' else 'jsonl'}"
        write(source, first << step)
        figures = inspect(source)
        found.append((figures["cpu_s"] - base["cpu_s"], figures["peak_mb"] - base["peak_mb"]))
        line = {name: first << step, "cpu_s": round(found[-1][0], 2), "peak_mb_more": round(found[-1][1])}
        print(json.dumps(line), flush=True)
    last = first << doublings
    allowed = (last * log(last)) / (first * log(first))
    cpu, memory = (found[-1][at] / found[0][at] for at in (0, 1))
    grew = {"times": 1 << doublings, "n_log_n": allowed, "cpu": cpu, "memory": memory}
    print(json.dumps({f"{name}_grew": {key: round(value, 2) for key, value in grew.items()}}), flush=True)
    return max(cpu, memory) <= allowed * NOISE


def main() -> None:
    """Print the doubling of rows, then of characters. Exits 1 where one is more than n log n."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--characters", type=int, default=200_000)
    parser.add_argument("--doublings", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        are_fine = [
            double("rows", options.rows, options.doublings, Path(folder), write_rows),
            double("characters", options.characters, options.doublings, Path(folder), write_long_rows),
        ]
    sys.exit(not all(are_fine))


if __name__ == "__main__":
    main()
