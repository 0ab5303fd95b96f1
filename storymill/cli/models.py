"""`storymill models`: what can be asked for."""

from datetime import UTC, datetime

import typer
from rich.table import Table

from storymill.cli.connection import connect, console
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption

models_app = typer.Typer(help="Models of every provider.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_models(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show every model that a request may name."""
    table = Table("id", "owner", "created", box=None, pad_edge=False)
    with connect(state_dir) as api:
        for model in api.get("/models")["data"]:
            created = datetime.fromtimestamp(model["created"], UTC).date().isoformat() if model["created"] else ""
            table.add_row(model["id"], model["owned_by"], created)
    console.print(table)
