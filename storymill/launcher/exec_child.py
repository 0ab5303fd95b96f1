"""Become another program, tied to the life of the process that started us.

Run by path with a bare interpreter, so it knows nothing of Storymill: it arranges to be signalled when the
parent dies, gives up root where the program refuses it (PostgreSQL), and replaces itself; or only says whether
the other user could use the program.
"""

import argparse
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
EXIT_PROGRAM_CLOSED = 3
"""Exit code of a check: the user may not read and run the program (launcher/postgres_programs.py reads it)."""
EXIT_FOLDER_CLOSED = 4
"""Exit code of a check: the user cannot enter the folder."""


class CapabilityHeader(ctypes.Structure):
    """`__user_cap_header_struct` of linux/capability.h."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilityData(ctypes.Structure):
    """`__user_cap_data_struct` of linux/capability.h; version 3 passes two of them."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def leave_root(libc: ctypes.CDLL | None, uid: int, gid: int) -> None:
    """Continue as `uid`, still able to pass through folders closed to it (a 0700 home above the cluster).

    Only the one capability for that is kept, and only if the kernel lets us: without it the program
    works wherever ordinary permissions suffice.
    """
    if libc is not None:
        keep_capabilities(libc)
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        sys.exit(f"cannot become user id {uid}, group id {gid}: {error.strerror}")
    if libc is not None:
        keep_passing_folders(libc)


def keep_capabilities(libc: ctypes.CDLL) -> None:
    """Let a change of user leave the capabilities as they are, for access(2) too.

    access(2), with which PostgreSQL looks for its programs, asks on behalf of the real user and sets the
    capabilities of every user but root aside, unless the fix-up is off. Turning it off takes CAP_SETPCAP.
    """
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    bits = libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)
    if bits >= 0:
        libc.prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0)


def keep_passing_folders(libc: ctypes.CDLL) -> None:
    """Drop every capability but one, and keep that one over the exec.

    To read and to pass is enough; containers often have only the one that also writes.
    """
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    held = (CapabilityData * 2)()
    libc.capget(ctypes.byref(header), ctypes.byref(held))
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        bit = 1 << capability
        if held[0].permitted & bit:
            kept = (CapabilityData * 2)(CapabilityData(bit, bit, bit), CapabilityData(0, 0, 0))
            libc.capset(ctypes.byref(header), ctypes.byref(kept))
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            return


def follow_parent(libc: ctypes.CDLL | None, parent_pid: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent dies; leave at once if it is dead already."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent process has ended")


def check_access(program: str, folder: str) -> int:
    """Say by an exit code whether this user can enter the folder, and run the program as access(2) sees it."""
    try:
        os.chdir(folder)
    except OSError:
        return EXIT_FOLDER_CLOSED
    return 0 if os.access(program, os.R_OK | os.X_OK) else EXIT_PROGRAM_CLOSED


def main() -> None:
    """Parse our own options, then exec the rest of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent-pid", type=int, required=True)
    parser.add_argument("--death-signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--check-folder", help="run nothing: say whether the user can enter this and run the program")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command

    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if options.uid is not None:
        leave_root(libc, options.uid, options.gid)
    if options.check_folder is not None:
        sys.exit(check_access(command[0], options.check_folder))
    # After the change of user: the kernel forgets the death signal when credentials change.
    follow_parent(libc, options.parent_pid, options.death_signal)
    os.execvp(command[0], command)  # noqa: S606 - a command line is what this program is given


if __name__ == "__main__":
    main()
