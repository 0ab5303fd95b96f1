"""A checkout of this working tree in another place, with an environment of its own, as `git clone` and `make setup`
would leave them: what a commit made now would hold, and the packages of the running environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from storymill.launcher.child_command import Owner
from tests.support.stack import PROJECT_ROOT

RUNNING_ENVIRONMENT = Path(sys.prefix)
ENGINE_PACKAGES = ("torch", "transformers")
"""Left out: half of all files, and nothing but the engine may import them."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
COMMAND_TIMEOUT_SECONDS = 180


@dataclass(frozen=True)
class FreshCheckout:
    """A checkout and the user who works in it (None: we ourselves)."""

    root: Path
    user: Owner | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """The whole environment of its commands, beside the search paths."""

    @property
    def state_dir(self) -> Path:
        """Where `storymill` keeps its state when nothing is said."""
        return self.root / ".storymill"

    def run_storymill(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the checkout's own `storymill` in it, as its user with nothing of our environment."""
        return subprocess.run(
            [str(self.root / ".venv/bin/storymill"), *words],
            cwd=self.root,
            # A copied interpreter finds its own library only when told.
            env={"PATH": SYSTEM_PATH, "LD_LIBRARY_PATH": str(self.root / ".python/lib"), **self.environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
            **as_user(self.user),
        )


def as_user(user: Owner | None) -> dict[str, Any]:
    """Return what `subprocess` needs to run a program as that user and in no other group."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def make_checkout(root: Path, *, user: Owner | None = None) -> Path:
    """Fill a new folder with the working tree and a `.venv` and give it to `user`; packages' files are shared by links.

    Skips the test where there is no repository or no environment to copy.
    """
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in a virtual environment, so there is none to copy")
    interpreter = find_interpreter(user, root / ".python")
    for path in list_tracked_files():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT_ROOT / path, target)
    environment = root / ".venv"
    ignored = shutil.ignore_patterns(*ENGINE_PACKAGES)
    shutil.copytree(RUNNING_ENVIRONMENT, environment, symlinks=True, ignore=ignored, copy_function=link_or_copy)
    for text_file in list_files_with_paths(environment):
        move_paths(text_file, root, environment)
    use_interpreter(environment, interpreter)
    if user is not None:
        give_away(root, user)
    return root


def list_tracked_files() -> list[Path]:
    """Return the files that a commit made now would hold, relative to the root."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (PROJECT_ROOT / ".git").exists():
        pytest.skip("this is no git repository, so what a clone holds is unknown")
    listed = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (PROJECT_ROOT / name).is_file()]


def link_or_copy(source: str, target: str) -> str:
    """Share a file's bytes where both places are on one disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def list_files_with_paths(environment: Path) -> Iterator[Path]:
    """Yield the files in which an installation writes down where it lies."""
    yield environment / "pyvenv.cfg"
    for file in (environment / "bin").iterdir():
        if file.is_file() and not file.is_symlink():
            yield file
    yield from environment.glob("lib/python*/site-packages/__editable__*")


def move_paths(file: Path, root: Path, environment: Path) -> None:
    """Let a file name the new places; a new file takes the place of the shared one."""
    old = file.read_bytes()
    new = old.replace(str(RUNNING_ENVIRONMENT).encode(), str(environment).encode())
    new = new.replace(str(PROJECT_ROOT).encode(), str(root).encode())
    if new != old:
        mode = file.stat().st_mode
        file.unlink()
        file.write_bytes(new)
        file.chmod(mode)


def find_interpreter(user: Owner | None, folder: Path) -> Path:
    """Return our Python, or a copy of it in `folder` where ours lies in a home that is closed to the user."""
    installed = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if can_run(installed / "bin" / name, user):
        return installed / "bin" / name
    for part in ("bin", "lib"):
        ignored = shutil.ignore_patterns("site-packages", "test")
        shutil.copytree(installed / part, folder / part, symlinks=True, ignore=ignored, copy_function=link_or_copy)
    return folder / "bin" / name


def can_run(interpreter: Path, user: Owner | None) -> bool:
    """Say whether the user can run a program."""
    try:
        return subprocess.run([str(interpreter), "-c", ""], cwd="/", check=False, **as_user(user)).returncode == 0
    except PermissionError:
        return False


def use_interpreter(environment: Path, interpreter: Path) -> None:
    """Let the environment's `python` be this one."""
    for name in ("python", "python3", interpreter.name):
        link = environment / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(interpreter)
    settings = (environment / "pyvenv.cfg").read_text().splitlines()
    kept = [line for line in settings if line.split(" = ")[0] not in {"home", "executable", "command"}]
    (environment / "pyvenv.cfg").unlink()
    (environment / "pyvenv.cfg").write_text("\n".join([f"home = {interpreter.parent}", *kept, ""]))


def give_away(root: Path, user: Owner) -> None:
    """Make the user the owner of everything but the files that are shared with the running environment."""
    os.chown(root, user.uid, user.gid)
    for folder, folders, files in os.walk(root):
        for path in (Path(folder) / name for name in (*folders, *files)):
            if path.is_dir() or path.lstat().st_nlink == 1:
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
