"""`storymill generate`: a recipe written, or said what that would take."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.generations import export_format, leaving_it_at_work, watch_to_end
from storymill.cli.next_steps import after_run
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.pilot import describe_cost_interval, is_after_pilot, write_pilot
from storymill.cli.recipe_files import RECIPE_SUFFIXES, read_recipe_file
from storymill.cli.recipe_values import send_values
from storymill.cli.terminal import console, say, say_command
from storymill.cli.words import count_of, format_seconds
from storymill.client.errors import ClientError
from storymill.client.rest import Api


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(generate)


def generate(
    recipe: Annotated[str, typer.Argument(help="A recorded recipe (name or id), or a recipe file.")],
    limit: Annotated[int | None, typer.Option(help="Only the first rows of the grid.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Stories per cell, in place of the recipe's.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, in place of the recipe's.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Never more calls a minute than this.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="Never more tokens a minute than this.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Pause before spending more than this.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="At the end write a .csv, .jsonl, .parquet or .xlsx file.")
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add the missing repeats to the newest run of this recipe.")
    ] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it would take, and make no run.")] = False,
    pilot: Annotated[
        int | None,
        typer.Option(help="Write so many stories first, spread over the grid, then say what the rest takes, and ask."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Go on after the pilot without asking.")] = False,
    detach: Annotated[bool, typer.Option(help="Do not watch; the run goes on by itself.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Write stories from a recipe, with live progress. Ctrl-C stops watching, not the run."""
    wanted = {
        "limit": limit,
        "repeats": repeats,
        "model": model,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "budget_usd": budget_usd,
        "pilot": pilot,
        "extend": extend or None,
    }
    require_waiting(pilot, yes=yes, detach=detach)
    with connect(state_dir) as api:
        export_format(export)
        given = {name: value for name, value in wanted.items() if value is not None}
        with read_recipe(api, recipe) as content:
            if estimate:
                tell_estimate(api.post("/generations/estimate", {**given, "recipe": content}))
                return
            generation = api.post("/generations", {**given, "recipe": content})
        size = count_of(generation["counts"]["total"], "story")
        console.print(f"generation {generation['id']}: {size}", highlight=False, soft_wrap=True)
        if not detach:
            generation = watch_run(api, generation, export, is_sure=yes)
        tell_next(generation, is_sure=yes)


def require_waiting(pilot: int | None, *, yes: bool, detach: bool) -> None:
    """Refuse to go on by itself after a pilot that nobody waits for. Raises: ClientError that says so."""
    if pilot is not None and yes and detach:
        raise ClientError("--yes goes on after the pilot, for which the command has to wait: leave out --detach.")


def tell_next(generation: dict[str, Any], *, is_sure: bool) -> None:
    """Say which command comes next. Exits 1 when the rest of a run was wanted and is not written."""
    say_command(*after_run(generation))
    if is_sure and is_after_pilot(generation):
        raise typer.Exit(1)


def watch_run(api: Api, generation: dict[str, Any], export: Path | None, *, is_sure: bool) -> dict[str, Any]:
    """Follow a run to its end, or to the end of its pilot if the rest is not wanted."""
    patience = Patience(console)
    if generation.get("pilot") is not None:
        with leaving_it_at_work(generation["id"], export, console):
            generation = write_pilot(api, generation, patience, is_sure=is_sure)
        if is_after_pilot(generation):
            return generation
    return watch_to_end(api, generation["id"], export, patience)


@contextmanager
def read_recipe(api: Api, recipe: str) -> Iterator[str | dict[str, Any]]:
    """Yield what the mill is told of a recipe: its name, or what its file says. Raises: ClientError for a bad file."""
    path = Path(recipe)
    if path.suffix not in RECIPE_SUFFIXES:
        yield recipe
        return
    with send_values(api, read_recipe_file(path), path.parent) as content:
        yield content


def tell_estimate(estimate: dict[str, Any]) -> None:
    """Say what a run would take: each figure with what it lies between, and where it comes from."""
    tokens, cost, seconds = estimate["completion_tokens"], estimate["cost_usd"], estimate["seconds_at_least"]
    say(f"estimate: {count_of(estimate['total'], 'story')} by {estimate['model']}")
    say(f"prompts: {describe_tokens(estimate['prompt_tokens'])}")
    say(f"stories: {describe_tokens(tokens) if tokens else 'unknown'}")
    say(f"cost: {describe_cost_interval(cost)}")
    if seconds is not None:
        say(f"time: at least {format_seconds(seconds)}")
    for note in estimate["notes"]:
        say(f"- {note}")


def describe_tokens(tokens: dict[str, int]) -> str:
    """Return a count of tokens with what it lies between."""
    return f"about {count_of(tokens['expected'], 'token')} ({tokens['low']:,} to {tokens['high']:,})"
