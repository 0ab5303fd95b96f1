"""Writes families into a folder: `python -m tests.support.tiny_models FOLDER [FAMILY …]`; all of them by default."""

import sys
from pathlib import Path

from tests.support.tiny_models.build import build_family
from tests.support.tiny_models.families import BY_NAME

if __name__ == "__main__":
    target, *names = sys.argv[1:]
    for name in names or BY_NAME:
        print(build_family(name, Path(target) / name))
