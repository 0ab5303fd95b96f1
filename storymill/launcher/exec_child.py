"""Become another program, tied to the life of the process that started us.

Run by path with a bare interpreter, so it knows nothing of Storymill: it arranges to be signalled when the
parent dies, gives up root where the program refuses it (PostgreSQL), and replaces itself.
"""

import argparse
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


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

    Only the file-permission capability is kept, and only if the kernel lets us: without it the program
    works wherever ordinary permissions suffice.
    """
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if libc is None:
        return
    bit = 1 << CAP_DAC_OVERRIDE
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    data = (CapabilityData * 2)(CapabilityData(bit, bit, bit), CapabilityData(0, 0, 0))
    libc.capset(ctypes.byref(header), ctypes.byref(data))
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def follow_parent(libc: ctypes.CDLL | None, parent_pid: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent dies; leave at once if it is dead already."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent process has ended")


def main() -> None:
    """Parse our own options, then exec the rest of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent-pid", type=int, required=True)
    parser.add_argument("--death-signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command

    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if options.uid is not None:
        leave_root(libc, options.uid, options.gid)
    # After the change of user: the kernel forgets the death signal when credentials change.
    follow_parent(libc, options.parent_pid, options.death_signal)
    os.execvp(command[0], command)  # noqa: S606 - a command line is what this program is given


if __name__ == "__main__":
    main()
