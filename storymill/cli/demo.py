"""`storymill demo`: the article's flow on a real model, from nothing to a streamed story, with times at every step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.rule import Rule

from storymill.cli.connection import connect, console
from storymill.cli.generations import export_generation, watch_to_end
from storymill.cli.mill_display import MillDisplay
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.recipes import read_recipe_file
from storymill.cli.stories import print_story
from storymill.cli.streams import print_stream
from storymill.client.rest import Api
from storymill.launcher.detached import start_detached, stop_running
from storymill.launcher.options import DEFAULT_GATEWAY_PORT, DEFAULT_STREAMING_PORT, UpOptions
from storymill.launcher.ports import is_port_free
from storymill.launcher.snapshot import find_running
from storymill.launcher.state_dir import find_state_dir

RECIPE_FILE = Path(__file__).resolve().parents[2] / "data" / "recipes" / "ultraman.json"
SHOWN_STORIES = 3
STREAMED_CELL = {"dynasty": "汉", "super_power": "冰冻大海", "story_type": "艰难"}
"""The article's streamed story: a power that no cell of the grid has."""


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(demo)


def demo(
    stories: Annotated[int, typer.Option(min=SHOWN_STORIES, max=162, help="How many stories to write.")] = 24,
    keep_running: Annotated[bool, typer.Option("--keep-running", help="Leave everything running at the end.")] = False,
    export: Annotated[Path, typer.Option(help="The CSV of the stories.")] = Path("data/ultraman_stories.csv"),
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Start everything, write stories over the article's grid, export them, stream one more."""
    started_at = time.monotonic()
    with running_mill(state_dir, keep_running), connect(state_dir) as api:
        recipe = read_recipe_file(RECIPE_FILE)
        with step(f"Write {stories} stories, one per cell, through the queue"):
            generation = write_stories(api, recipe, stories)
        with step(f"Read {SHOWN_STORIES} of them"):
            show_stories(api, generation["id"])
        with step("Export the run with the article's columns"):
            export.parent.mkdir(parents=True, exist_ok=True)
            export_generation(api, generation["id"], export)
        with step("Stream one more, token by token, over the WebSocket"):
            stream_story(api, recipe)
    console.print(f"\nThe demo took {time.monotonic() - started_at:.0f} s.", style="bold")
    print_next_steps(state_dir, is_running=keep_running)


@contextmanager
def running_mill(state_dir: Path, keep_running: bool) -> Iterator[None]:
    """Use the mill that runs on the state directory, or start one for the length of the demo."""
    state = find_state_dir(state_dir)
    if find_running(state) is not None:
        console.print("Using the Storymill that runs already.")
        yield
        return
    with step("Start Postgres, Redis, engine, workers, streaming and gateway"), MillDisplay(console) as display:
        start_detached(choose_options(state.root), display.show)
    try:
        yield
    finally:
        if not keep_running:
            with step("Stop everything"), MillDisplay(console) as display:
                stop_running(state, display.show)


def choose_options(state_root: Path) -> UpOptions:
    """Take the usual ports where they are free, others where not."""
    return UpOptions(
        state_dir=state_root,
        gateway_port=DEFAULT_GATEWAY_PORT if is_port_free(DEFAULT_GATEWAY_PORT) else 0,
        streaming_port=DEFAULT_STREAMING_PORT if is_port_free(DEFAULT_STREAMING_PORT) else 0,
    )


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print a heading, and at the end of the block how long it took."""
    console.print()
    console.print(Rule(f"[bold]{title}[/bold]", align="left"))
    started_at = time.monotonic()
    yield
    console.print(f"[dim]{time.monotonic() - started_at:.1f} s[/dim]")


def write_stories(api: Api, recipe: dict[str, Any], count: int) -> dict[str, Any]:
    """Record the recipe and fill the first `count` cells of its grid, once each."""
    recorded = api.post("/recipes", recipe)
    sizes = " × ".join(f"{len(values)} {name}" for name, values in recipe["attributes"].items())
    console.print(f"recipe {recorded['name']}: {sizes} × {recipe['repeats']} repeats; here the first {count} cells")
    generation = api.post("/generations", {"recipe": recorded["id"], "repeats": 1, "limit": count})
    return watch_to_end(api, generation["id"], export=None)


def show_stories(api: Api, generation_id: str) -> None:
    """Print the first stories of a run."""
    for story in api.list_all("/stories", at_most=SHOWN_STORIES, generation_id=generation_id, status="succeeded"):
        print_story(story)


def stream_story(api: Api, recipe: dict[str, Any]) -> None:
    """Stream one story of a cell that the grid does not have."""
    prompt = fill_template(recipe["template"], STREAMED_CELL)
    console.print(f"[bold]{prompt}[/bold]\n", highlight=False)
    print_stream(api, {"model": recipe["model"], "prompt": prompt, "max_tokens": 600, "temperature": 0.7})


def fill_template(template: str, cell: dict[str, str]) -> str:
    """Fill a recipe's template as the server does for plain placeholders."""
    for name, value in cell.items():
        template = template.replace("{{ " + name + " }}", value)
    return template


def print_next_steps(state_dir: Path, *, is_running: bool) -> None:
    """Say what to try now."""
    here = "" if state_dir == DEFAULT_STATE_DIR else f" --state-dir {state_dir}"
    lines = [
        "Try next:",
        *(
            []
            if is_running
            else [f"  .venv/bin/storymill up --detach{here}             # everything in the background"]
        ),
        f"  .venv/bin/storymill stream '请写一个关于月亮的故事。'{here}",
        f"  .venv/bin/storymill recipes add data/recipes/ultraman.json{here}",
        f"  .venv/bin/storymill generate ultraman --limit 54 --export stories.csv{here}",
        f"  .venv/bin/storymill status{here}                  # processes; `storymill down` stops them",
        "Docs: README.md, docs/api.md (REST), docs/stream-protocol.md (WebSocket), docs/operators.md.",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
