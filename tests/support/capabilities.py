"""Run a program as root with only some of root's capabilities, as a container does."""

import ctypes
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

PR_CAPBSET_DROP = 24
NUMBERS = {
    **{"CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6},
    **{"SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10, "NET_RAW": 13, "SYS_CHROOT": 18, "MKNOD": 27},
    **{"AUDIT_WRITE": 29, "SETFCAP": 31},
}
"""Bit numbers of linux/capability.h."""
EVERY_NUMBER = range(41)
DOCKER_DEFAULT = frozenset(NUMBERS) - {"DAC_READ_SEARCH"}
"""What `docker run` leaves to root. There is no SYS_PTRACE among them either."""
LEAST = frozenset({"CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"})
"""`--cap-drop ALL` with what images of databases ask back."""


def run_with_capabilities(command: list[str], kept: Iterable[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run to the end as root with the kept capabilities alone; output is captured as text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=build_limit(kept), **options)


def build_limit(kept: Iterable[str]) -> Callable[[], None]:
    """Return what a child calls before its exec, which gives root the bounding set and no more."""
    numbers = {NUMBERS[name] for name in kept}
    libc = ctypes.CDLL(None)

    def limit() -> None:
        for number in EVERY_NUMBER:
            if number not in numbers:
                libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)

    return limit
