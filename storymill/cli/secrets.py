"""`storymill secrets`: the key that secrets in the database are sealed with."""

import typer

from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.launcher.sealing import rotate_key
from storymill.launcher.services import build_python_environment
from storymill.launcher.state_dir import find_state_dir

secrets_app = typer.Typer(no_args_is_help=True, help="The key that secrets in the database are sealed with.")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(secrets_app, name="secrets")


@secrets_app.callback()
def group() -> None:
    """The key that secrets in the database are sealed with."""


@secrets_app.command()
def rotate(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Make a new key and seal what is stored with it, while the mill runs. The key before is kept for backups."""
    typer.echo(rotate_key(find_state_dir(state_dir), build_python_environment()))
