"""Makes sure that the configured base model lies ready on disk, and says where."""

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.engine.settings import BUILT_IN_MODEL, EngineSettings
from services.engine.weights.package import WeightsError

TERMS = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms "
    "(a copy lies beside the weights)."
)


def prepare_model(settings: EngineSettings, report: Callable[[str], None]) -> str:
    """Return the folder (or hub id) to load the base model from; convert the built-in weights at first use.

    `report` receives one line per stage. Two processes that start at once convert once. Blocks for about a
    minute at first use. Raises: WeightsError when the built-in weights are not installed whole, or cannot be converted.
    """
    if settings.model != BUILT_IN_MODEL:
        return settings.model
    folder = settings.state_dir.resolve() / "models" / BUILT_IN_MODEL
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.parent / f".{BUILT_IN_MODEL}.lock"):
        if not (folder / "config.json").is_file():
            report(TERMS)
            _convert_in_a_child(folder, report)
    return str(folder)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert_in_a_child(folder: Path, report: Callable[[str], None]) -> None:
    command = [sys.executable, "-m", "services.engine.weights.convert", str(folder)]
    for left_over in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_over, ignore_errors=True)  # of a conversion that was killed; we hold the lock
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 our own module
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=Path(__file__).parents[3]
        ) as child,
    ):
        assert child.stdout is not None
        for line in child.stdout:
            report(line.rstrip())
        child.wait()
        errors.seek(0)
        complaint = errors.read().strip()
    if child.returncode != 0:
        raise WeightsError(f"converting the weights failed: {complaint[-2000:] or f'exit {child.returncode}'}")
