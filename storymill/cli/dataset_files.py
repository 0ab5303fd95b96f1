"""The files around a preparation: made here by the workers' own command, or fetched from the mill beside the source."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from storymill.client.rest import Api
from storymill.launcher.services import build_python_environment

PREPARE_COMMAND = [sys.executable, "-m", "services.preparation.local.command"]


def prepare_here(paths: Sequence[Path], options: dict[str, Any], *, quiet: bool) -> int:
    """Prepare files with no mill, in this terminal; return the exit status."""
    arguments: list[str] = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            arguments += [f"--{name.replace('_', '-')}", str(one)]
    result = subprocess.run(
        [*PREPARE_COMMAND, *map(str, paths), *arguments, *(["--quiet"] if quiet else [])],
        env={**os.environ, **build_python_environment()},
        check=False,
    )
    return result.returncode


def find_free_path(source: Path, ending: str, suffix: str = ".jsonl") -> Path:
    """Return a path beside `source` that nothing has: `stories_prepared.jsonl`, else `stories_prepared (1).jsonl`."""
    stem = source.name.split(".")[0] + ending
    candidate, number = source.with_name(stem + suffix), 0
    while candidate.exists():
        number += 1
        candidate = source.with_name(f"{stem} ({number}){suffix}")
    return candidate


def keep_copies(api: Api, error: dict[str, Any], source: Path, console: Console) -> None:
    """Write the good rows and the bad pieces of a file that could not be read beside it."""
    for name in ("corrected", "rejected"):
        file_id = error.get(f"{name}_file")
        if file_id is not None:
            suffix = Path(api.get(f"/files/{file_id}")["filename"]).suffix
            target = find_free_path(source, f"_{name}", suffix)
            api.download(f"/files/{file_id}/content", target)
            console.print(f"wrote {target}", markup=False, highlight=False, soft_wrap=True)
