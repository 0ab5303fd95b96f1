"""How a full inspection grows: `python -m benchmarks.datasets_doubling [--rows 10000] [--doublings 3]`.

Doubles the rows, then the characters of few rows, and prints CPU seconds and peak memory of a fresh process each, less
those of a process that reads ten rows. A ratio above 2.2 a doubling is more than n log n.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.datasets import Figures, measure
from benchmarks.datasets_rows import story, write_rows

FEW_ROWS = 20
FIRST_CHARACTERS = 50_000


def write_long_rows(path: Path, characters: int) -> None:
    """Write few rows of so many characters each."""
    chance = random.Random(3)
    with path.open("w", encoding="utf-8") as out:
        for number in range(FEW_ROWS):
            text = ""
            while len(text) < characters:
                text += story(chance)
            out.write(json.dumps({"prompt": f"{number} ->", "completion": text}, ensure_ascii=False) + "\n")


def inspect(source: Path) -> Figures:
    """Prepare a file, write nothing but the result."""
    found = measure([sys.executable, "-m", "services.preparation.local.command", str(source), "--quiet"])
    for made in source.parent.glob(f"{source.stem}_prepared*"):
        made.unlink()
    return found


def double(name: str, first: int, doublings: int, folder: Path, write: Callable[[Path, int], None]) -> None:
    """Print one line per size, with the growth since the size before."""
    base_path = folder / "base.csv"
    write_rows(base_path, 10)
    base, before = inspect(base_path), None
    for step in range(doublings + 1):
        size = first << step
        source = folder / f"{name}.{'csv' if name == 'rows' else 'jsonl'}"
        write(source, size)
        found = inspect(source)
        cpu, memory = found["cpu_s"] - base["cpu_s"], found["peak_mb"] - base["peak_mb"]
        line = {name: size, "cpu_s": round(cpu, 2), "peak_mb_more": round(memory)}
        if before:
            line |= {"cpu_ratio": round(cpu / before[0], 2), "memory_ratio": round(memory / max(before[1], 1), 2)}
        print(json.dumps(line), flush=True)
        before = (cpu, memory)


def main() -> None:
    """Print the doubling of rows, then of characters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--doublings", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        double("rows", options.rows, options.doublings, Path(folder), write_rows)
        double("characters", FIRST_CHARACTERS, options.doublings, Path(folder), write_long_rows)


if __name__ == "__main__":
    main()
