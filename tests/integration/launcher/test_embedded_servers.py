"""The embedded PostgreSQL and Redis: created, killed, restarted, by root and in awkward folders."""

import os
import pwd
import resource
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from storymill.launcher import postgres, redis
from storymill.launcher.child_command import Owner, build_child_command, find_server_owner
from storymill.launcher.errors import ClusterError
from storymill.launcher.managed_process import ManagedProcess
from storymill.launcher.ports import find_free_port
from storymill.launcher.state_dir import open_state_dir
from storymill.launcher.stores import build_redis_spec
from tests.support.stack import PASSWORD, PROJECT_ROOT, PrivatePostgres, PrivateRedis


def test_a_killed_postgres_keeps_what_was_committed(tmp_path: Path) -> None:
    with PrivatePostgres(tmp_path) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE hero (name text)")
            connection.execute("INSERT INTO hero VALUES ('李白')")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT name FROM hero").fetchone() == ("李白",)


def test_postgres_is_version_18_with_utf8_and_a_durable_cluster_syncs(tmp_path: Path) -> None:
    with (
        PrivatePostgres(tmp_path, durable=True) as server,
        psycopg.connect(server.url) as connection,
    ):
        settings: dict[str, str] = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                [["fsync", "max_connections", "server_encoding", "server_version_num", "listen_addresses"]],
            ).fetchall()
        )
    assert settings.pop("server_version_num").startswith("18")
    assert settings == {
        "fsync": "on",
        "max_connections": "200",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
    }


def test_postgres_refuses_a_wrong_password(tmp_path: Path) -> None:
    with (
        PrivatePostgres(tmp_path) as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(postgres.build_url(server.port, "wrong"))


def test_postgres_works_in_a_deep_folder_closed_to_other_users(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    deep = closed / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with PrivatePostgres(deep) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_postgres_does_not_run_as_root(tmp_path: Path) -> None:
    with PrivatePostgres(tmp_path) as server:
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids


def test_both_servers_start_for_an_ordinary_user(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from tests.support.stack import PrivatePostgres, PrivateRedis\n"
        "assert os.geteuid() != 0\n"
        "with PrivatePostgres(Path('postgres')) as a, PrivateRedis(Path('redis')) as b:\n"
        "    assert a.answers() and b.answers()\n"
        "print(Path('postgres/cluster').stat().st_uid)\n"
    )
    user = find_server_owner(tmp_path / "new") or Owner(os.getuid(), os.getgid())
    os.chown(tmp_path, user.uid, user.gid)
    result = subprocess.run(
        build_child_command([sys.executable, "-c", program], owner=user if os.geteuid() == 0 else None),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(user.uid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that has no name")
def test_a_user_id_without_a_name_is_told_what_postgres_wants(tmp_path: Path) -> None:
    program = "from pathlib import Path; from tests.support.stack import PrivatePostgres; PrivatePostgres(Path('new'))"
    nameless = Owner(find_free_user_id(), 65534)
    os.chown(tmp_path, nameless.uid, nameless.gid)
    result = subprocess.run(
        build_child_command([sys.executable, "-c", program], owner=nameless),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"User id {nameless.uid} has no entry in /etc/passwd" in result.stderr


def find_free_user_id() -> int:
    """Return an id that belongs to nobody here."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(number for number in range(54_321, 60_000) if number not in taken)


def test_a_cluster_of_another_version_is_refused_with_its_number(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(ClusterError, match="made by PostgreSQL 15"):
        postgres.ensure_cluster(cluster, PASSWORD)


def test_a_disk_that_fills_up_while_the_cluster_is_made_leaves_nothing_behind(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files end at 1 MB for initdb: its first 16 MB segment of the log does not fit, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(ClusterError, match=r"initdb failed[\s\S]*File too large"):
            postgres.ensure_cluster(tmp_path / "cluster", PASSWORD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    postgres.ensure_cluster(tmp_path / "cluster", PASSWORD)


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    leftover = tmp_path / "cluster.partial"
    leftover.mkdir()
    (leftover / "PG_VERSION").write_text("18\n")
    with PrivatePostgres(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not leftover.exists()


def test_a_lock_that_names_a_foreign_process_does_not_stop_the_start(tmp_path: Path) -> None:
    with PrivatePostgres(tmp_path) as server:
        server.kill()
        lock = server.data_dir / "postmaster.pid"
        lock.write_text("\n".join([str(os.getpid()), *lock.read_text().split("\n")[1:]]))
        server.start()
        assert server.answers()


def test_a_durable_redis_keeps_its_keys_over_a_kill(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path, durable=True) as server:
        redis.send_commands(server.port, PASSWORD, "SET hero libai")
        server.kill()
        server.start()
        answer = redis.send_commands(server.port, PASSWORD, "EXISTS hero")
    assert answer == [":1"]


def test_redis_never_evicts_and_its_configuration_is_private(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path):
        config = tmp_path / "redis.conf"
        assert config.stat().st_mode & 0o777 == 0o600
        assert "maxmemory-policy noeviction" in config.read_text()


def test_redis_is_new_enough() -> None:
    assert redis.read_version(redis.find_redis_binary()) >= redis.OLDEST_VERSION


async def test_a_redis_whose_file_is_broken_in_the_middle_starts_without_it(tmp_path: Path) -> None:
    state = open_state_dir(tmp_path / "state")
    spec = build_redis_spec(state, find_free_port(), PASSWORD)
    (state.redis / "appendonly.aof").write_text("*2\r\n$6\r\nSELECT\r\nnonsense\r\n" * 3)
    process = ManagedProcess(spec, lambda: None)
    process.start()
    await process.wait_ready()
    await process.stop()
    assert process.status.restarts == 1
    assert len(list(state.redis.glob("appendonly.aof.broken-*"))) == 1
