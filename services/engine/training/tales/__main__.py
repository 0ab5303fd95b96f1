"""Tells plain stories: `python -m services.engine.training.tales --count 5000 --seed 1 --output stories.csv`.

They are Chinese ones for the article's cells; `--language en` tells English ones for the lighthouse recipe's.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from services.engine.training.tales.collection import COLUMNS, tell_tales, write_tales
from services.engine.training.tales.english.collection import COLUMNS as ENGLISH_COLUMNS
from services.engine.training.tales.english.collection import tell_english_tales


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the stories as a CSV file: the columns of data/samples, or those of the English recipe."""
    parser = argparse.ArgumentParser(prog="tales", description=__doc__)
    parser.add_argument("--language", choices=("zh", "en"), default="zh")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.language == "en":
        write_tales(options.output, tell_english_tales(options.count, options.seed), ENGLISH_COLUMNS)
    else:
        write_tales(options.output, tell_tales(options.count, options.seed), COLUMNS)


if __name__ == "__main__":
    main()
