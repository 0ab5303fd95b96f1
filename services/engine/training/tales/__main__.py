"""Tells plain stories: `python -m services.engine.training.tales --count 5000 --seed 1 --output stories.csv`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from services.engine.training.tales.collection import tell_tales, write_tales


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the stories as a CSV file with the columns of data/samples."""
    parser = argparse.ArgumentParser(prog="tales", description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    write_tales(options.output, tell_tales(options.count, options.seed))


if __name__ == "__main__":
    main()
