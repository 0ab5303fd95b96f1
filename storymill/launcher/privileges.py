"""What a launcher that runs as root needs the kernel's leave for, because PostgreSQL refuses root."""

from pathlib import Path

from storymill.launcher.errors import PrivilegeError

PROCESS_STATUS = Path("/proc/self/status")
NEEDED_CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7}
"""Bit numbers of linux/capability.h: to give the cluster to another user, to look into it, to stop that user's
server, and to become that user. Docker's default set has all five; `--cap-drop ALL` leaves none."""
REMEDY = (
    "start as an ordinary user (docker run --user …), or point STORYMILL_DATABASE_URL at a server of your own "
    "(the embedded one refuses to run as root)."
)


def check_may_leave_root() -> None:
    """Return if a root that may become another user is what we are, as far as the kernel tells.

    Raises: PrivilegeError with the names of what is missing.
    """
    missing = find_missing_capabilities()
    if missing:
        options = " ".join(f"--cap-add {name}" for name in missing)
        raise PrivilegeError(
            f"This process is root without the capabilities {', '.join(missing)}: allow them ({options}), {REMEDY}"
        )


def find_missing_capabilities() -> list[str]:
    """Return the names of the needed capabilities that this process lacks; none where there is no `/proc`."""
    try:
        status = PROCESS_STATUS.read_text()
    except OSError:
        return []
    lines = [line for line in status.splitlines() if line.startswith("CapEff:")]
    if not lines:
        return []
    effective = int(lines[0].split()[1], 16)
    return [name for name, bit in NEEDED_CAPABILITIES.items() if not effective >> bit & 1]
