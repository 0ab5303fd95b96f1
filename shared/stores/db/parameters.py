"""Texts on their way into Postgres: each is made storable by the driver, whatever statement it goes with. A refused
character would fail the transaction that says why a job failed, and the job would never end."""

from typing import Any

from psycopg.types.string import StrDumperUnknown
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.contracts.storable import make_storable_text


class StorableTextDumper(StrDumperUnknown):
    """psycopg's own way to send a text, for every text."""

    def dump(self, obj: str) -> bytes:
        """Return the text's bytes."""
        return make_storable_text(obj).encode()


def send_storable_texts(engine: AsyncEngine) -> None:
    """Have every connection that `engine` opens from now on mend the texts it is given."""

    @event.listens_for(engine.sync_engine, "connect")
    def register(connection: Any, _record: object) -> None:
        connection.driver_connection.adapters.register_dumper(str, StorableTextDumper)
