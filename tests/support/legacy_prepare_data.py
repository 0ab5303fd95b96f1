"""Runs inside the legacy environment: the public tool over many files in one process.

Arguments: the folder with the files, and the file to write the outcomes to. Each file is prepared from within the
folder, with every question answered by the default, as `--quiet` does.
"""

import contextlib
import io
import json
import os
import sys
import time
import warnings
from types import SimpleNamespace

from openai.cli import FineTune


def main(folder: str, outcomes: str) -> None:
    """Prepare every file of the folder."""
    warnings.simplefilter("ignore")
    os.chdir(folder)
    found = {name: run(name) for name in sorted(os.listdir("."))}
    with open(outcomes, "w", encoding="utf-8") as out:
        json.dump(found, out)


def run(name: str) -> dict[str, object]:
    """The exit status, the printed text, and the traceback's last line when the tool crashed."""
    printed, errors = io.StringIO(), io.StringIO()
    status, crash = 0, None
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        try:
            FineTune.prepare_data(SimpleNamespace(file=name, quiet=True))
        except SystemExit as stop:
            status = int(stop.code or 0)
        except Exception as error:  # the tool's own bugs are part of what is recorded
            status, crash = 1, type(error).__name__
    seconds = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return {"status": status, "crash": crash, "output": printed.getvalue(), "errors": errors.getvalue(), **seconds}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
