"""A real PgBouncer in transaction mode in front of a test's PostgreSQL."""

import shutil
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from storymill.launcher.child_command import build_child_command, find_server_owner
from tests.support.stack import PASSWORD, PrivateServer

SERVER_CONNECTIONS = 3
"""Fewer than a test's clients, so that transactions really change connections."""


def find_pgbouncer() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin") or shutil.which("pgbouncer")


class PrivatePooler(PrivateServer):
    """A pooler of the test's own; it passes every database of one server on."""

    def __init__(self, folder: Path, server_url: str) -> None:
        super().__init__(folder, durable=False)
        self.server = conninfo_to_dict(server_url)
        self.write_configuration()

    def write_configuration(self) -> None:
        """Write what PgBouncer reads at its start."""
        (self.folder / "users.txt").write_text(f'"{self.server["user"]}" "{PASSWORD}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={self.server["host"]} port={self.server["port"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.folder}/users.txt
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 100
"""
        )

    def database_url(self, database: str) -> str:
        """Return the URL of one database, through the pooler."""
        return f"postgresql://{self.server['user']}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def build_command(self) -> list[str]:
        """Return its command line, as an account that the pooler accepts: not root."""
        program = find_pgbouncer()
        assert program is not None
        command = [program, str(self.folder / "pgbouncer.ini")]
        return build_child_command(command, owner=find_server_owner(self.folder))

    def answers(self) -> bool:
        """Say whether it passes connections on."""
        try:
            psycopg.connect(self.database_url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
