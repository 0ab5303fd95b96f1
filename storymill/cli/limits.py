"""`storymill limits`: what the server allows a client, and which setting changes it."""

import typer
from rich.table import Column, Table

from storymill.cli.connection import connect, console
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption


def add_commands(app: typer.Typer) -> None:
    """Add the command of this module to the app."""
    app.command("limits")(limits)


def limits(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show the limits of the server. A line in the state directory's bounds.toml changes one, without a restart."""
    table = Table(Column("most", justify="right"), "of what", "setting", box=None, pad_edge=False)
    with connect(state_dir) as api:
        for limit in api.get("/limits")["data"]:
            table.add_row(f"{limit['value']:,}", limit["description"], limit["setting"])
    console.print(table)
