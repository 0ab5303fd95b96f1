"""`storymill keys`: API keys of the running mill, by the gateway's own command line."""

import json
import os
import subprocess
from typing import Annotated

import typer

from storymill.cli.next_steps import LIST_KEYS, MAKE_KEY
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import add_row, make_columns, print_list, say_command
from storymill.launcher.api_key_command import API_KEYS_COMMAND
from storymill.launcher.errors import LauncherError
from storymill.launcher.services import build_python_environment
from storymill.launcher.state_dir import find_state_dir
from storymill.launcher.stores import find_database_url

keys_app = typer.Typer(no_args_is_help=True, help="API keys of the gateway: create, list, revoke.")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(keys_app, name="keys")


@keys_app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    project: Annotated[str, typer.Option(help="The project it opens; made if new.")] = "default",
    scopes: Annotated[
        str | None, typer.Option(help="Comma-separated: read, write (these two if left out), operate.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Make a key and print its secret, this once."""
    arguments = ["create", "--name", name, "--project", project, *(["--json"] if as_json else [])]
    arguments += ["--scopes", scopes] if scopes is not None else []
    typer.echo(run_api_keys(arguments, state_dir), nl=False)


@keys_app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """List the keys; their secrets are not kept."""
    output = run_api_keys(["list"], state_dir)
    if as_json:
        typer.echo(output, nl=False)
        return
    columns = make_columns("id", "name", ("prefix", 1), ("scopes", 2), "state")
    for line in output.splitlines():
        key = json.loads(line)
        state = "revoked" if key["revoked_at"] else "valid"
        add_row(columns, key["id"], key["name"], key["prefix"], ", ".join(key["scopes"]), state)
    print_list(columns, following=MAKE_KEY)


@keys_app.command()
def revoke(key_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Revoke a key; requests with it fail within seconds."""
    run_api_keys(["revoke", key_id], state_dir)
    typer.echo(f"Revoked {key_id}.")
    say_command(*LIST_KEYS)


def run_api_keys(arguments: list[str], state_dir: StateDirOption) -> str:
    """Return what the gateway's key administration printed. Raises: LauncherError with its complaint."""
    database_url = find_database_url(find_state_dir(state_dir))
    result = subprocess.run(
        [*API_KEYS_COMMAND, *arguments],
        env={**os.environ, **build_python_environment(), "STORYMILL_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise LauncherError(result.stderr.strip() or f"keys {arguments[0]} failed (exit {result.returncode})")
    return result.stdout
