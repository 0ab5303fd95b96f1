"""Migrations and models say the same."""

import subprocess
import sys

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.settings import Settings
from shared.stores.db.migrate import alembic_config
from shared.stores.db.models import Base
from tests.support.stack import PROJECT_ROOT


def sqlalchemy_url(database_url: str) -> str:
    """The URL with our driver named."""
    return Settings.model_validate({"database_url": database_url}).sqlalchemy_url


def find_differences(url: str) -> list[object]:
    """What a new migration would have to change."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    return differences


def test_the_migrations_make_the_models_tables(database_url: str) -> None:
    assert find_differences(sqlalchemy_url(database_url)) == []


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config("postgresql://")).get_heads()) == 1


def test_down_to_nothing_and_up_again(database_url: str) -> None:
    url = sqlalchemy_url(database_url)
    command.downgrade(alembic_config(url), "base")
    engine = sa.create_engine(url)
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    command.upgrade(alembic_config(url), "head")
    assert find_differences(url) == []


def test_a_database_out_of_reach_is_said_plainly() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "shared.stores.db.migrate"],
        env={"STORYMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "cannot reach Postgres" in result.stderr
    assert "Traceback" not in result.stderr
