"""Build the command line that ties a child process to ours and gives it another user if it needs one."""

import os
import pwd
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

EXEC_CHILD = Path(__file__).with_name("exec_child.py")


@dataclass(frozen=True)
class Owner:
    """The system user that a server runs as and that owns its folder."""

    uid: int
    gid: int


def find_server_owner(folder: Path) -> Owner | None:
    """Return the user for a server that refuses root, or None where we are not root.

    A folder that an ordinary user made keeps its owner, so that both can start the same state directory.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return Owner(folder.stat().st_uid, folder.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def build_child_command(
    command: list[str],
    *,
    owner: Owner | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    check_folder: Path | None = None,
) -> list[str]:
    """Wrap `command` so that it gets `death_signal` when this process dies (Linux), as `owner` if given.

    With `check_folder` nothing is run: the exit code says whether the user could (see exec_child.py).
    """
    wrapped = [sys.executable, "-I", "-S", str(EXEC_CHILD)]
    wrapped += ["--parent-pid", str(os.getpid()), "--death-signal", str(int(death_signal))]
    if owner is not None:
        wrapped += ["--uid", str(owner.uid), "--gid", str(owner.gid)]
    if check_folder is not None:
        wrapped += ["--check-folder", str(check_folder)]
    return [*wrapped, "--", *command]
