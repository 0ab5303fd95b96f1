"""Bring the database to the newest schema: `python -m shared.stores.db.migrate`.

Safe to run from several places at once."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from shared.settings import load_settings

MIGRATIONS_FOLDER = Path(__file__).resolve().parents[3] / "migrations"


def alembic_config(sqlalchemy_url: str) -> Config:
    """Return Alembic's configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.set_main_option("sqlalchemy.url", sqlalchemy_url.replace("%", "%%"))
    return config


def migrate(sqlalchemy_url: str) -> None:
    """Upgrade to head; an advisory lock makes a second caller wait for the first."""
    command.upgrade(alembic_config(sqlalchemy_url), "head")


def main() -> int:
    """Migrate the database of the settings; 1 with a plain message when it is out of reach."""
    settings = load_settings()
    try:
        migrate(settings.sqlalchemy_url)
    except OperationalError as error:
        sys.stderr.write(f"cannot reach Postgres: {error.orig}\nSet STORYMILL_DATABASE_URL.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
