"""Command line over the database: create, list, revoke and check API keys."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from services.gateway.api_keys import service
from shared.auth.principal import ALL_SCOPES, USUAL_SCOPES
from shared.clock import unix_seconds
from shared.settings import load_settings
from shared.stores.away import StoreAwayError
from shared.stores.db.models import ApiKey
from shared.stores.db.session import Database

Result = TypeVar("Result")

app = typer.Typer(help="API keys of the gateway, kept in the database of STORYMILL_DATABASE_URL.", no_args_is_help=True)


def run_with_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run `work` on a database of its own; exit 1 with a plain message when Postgres is out of reach."""

    async def run() -> Result:
        database = Database(load_settings())
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreAwayError as error:
        typer.echo(f"cannot reach Postgres: {error}", err=True)
        raise typer.Exit(1) from error


def describe(key: ApiKey) -> dict[str, object]:
    """Return what may be shown of a key: never the secret or its hash."""
    return {
        "id": key.id,
        "object": "api_key",
        "name": key.name,
        "prefix": key.prefix,
        "project_id": key.project_id,
        "scopes": key.scopes,
        "created_at": unix_seconds(key.created_at),
        "revoked_at": unix_seconds(key.revoked_at) if key.revoked_at else None,
    }


def split_scopes(scopes: str) -> list[str]:
    """Return the scopes of a comma-separated list. Raises: typer.BadParameter for one that there is not."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    unknown = sorted(set(wanted) - set(ALL_SCOPES))
    if unknown:
        raise typer.BadParameter(f"unknown scope {', '.join(unknown)}; known: {', '.join(ALL_SCOPES)}")
    return wanted


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    project: Annotated[str, typer.Option(help="The project it opens; made if new.")] = "default",
    scopes: Annotated[str, typer.Option(help="Comma-separated: read, write, operate.")] = ",".join(USUAL_SCOPES),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a key and print its secret, this once."""
    wanted = split_scopes(scopes)
    if not (wanted and name.strip() and project.strip()):
        raise typer.BadParameter("name, project and scopes must not be empty")
    row, secret = run_with_database(
        lambda database: service.create_api_key(database, project=project, name=name, scopes=wanted)
    )
    typer.echo(json.dumps({**describe(row), "key": secret}) if as_json else f"{row.id}\n{secret}")


@app.command("list")
def list_command() -> None:
    """Print every key as one JSON object a line."""
    for key in run_with_database(service.list_keys):
        typer.echo(json.dumps(describe(key), ensure_ascii=False))


@app.command()
def revoke(key_id: str) -> None:
    """Revoke a key; requests with it fail within seconds."""
    if not run_with_database(lambda database: service.revoke_key(database, key_id)):
        typer.echo(f"no unrevoked key {key_id}", err=True)
        raise typer.Exit(1)


@app.command()
def check(
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key from standard input.")],
    name: Annotated[str, typer.Option(help="With --scopes: only a key of this name gets them.")] = "",
    scopes: Annotated[str, typer.Option(help="Comma-separated: scopes that the key gets where it lacks them.")] = "",
) -> None:
    """Exit 0 when the key on standard input is valid, 1 when not."""
    secret, wanted = sys.stdin.readline().strip(), split_scopes(scopes)
    if wanted:
        run_with_database(lambda database: service.widen_key(database, secret, name, wanted))
    if not key_stdin or not run_with_database(lambda database: service.is_valid_key(database, secret)):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
