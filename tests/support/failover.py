"""A Postgres after a failover: it answers, and takes no writes. For one database, so that other tests go on."""

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.support.stack import PrivatePostgres


def find_name(database_url: str) -> str:
    """Return the database's name."""
    return str(conninfo_to_dict(database_url)["dbname"])


def set_read_only(
    server: PrivatePostgres, database_url: str, *, is_read_only: bool, ends_connections: bool = True
) -> None:
    """Have the database refuse writes, or take them again; whoever is connected is cut off, as by a failover."""
    server.execute(
        sql.SQL("alter database {} set default_transaction_read_only = {}").format(
            sql.Identifier(find_name(database_url)), sql.Literal("on" if is_read_only else "off")
        )
    )
    if ends_connections:
        end_connections(server, database_url)


def end_connections(server: PrivatePostgres, database_url: str) -> None:
    """Cut everybody off."""
    with psycopg.connect(server.database_url("postgres"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [find_name(database_url)]
        )
