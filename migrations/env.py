"""Alembic's entry: migrations run on one connection, under an advisory lock."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from shared.stores.db.models import Base

MIGRATION_LOCK = 7_305_003
"""Any constant of ours: two processes that migrate at once take turns."""

UNBOUNDED = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def run_migrations() -> None:
    """Upgrade or downgrade the database named by `sqlalchemy.url`."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        for name in UNBOUNDED:  # whatever the role or the database says: a migration takes as long as it takes
            connection.execute(text(f"set local {name} = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
