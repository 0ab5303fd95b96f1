"""`storymill demo`: the article's whole flow on a real model, from nothing to a story streamed by a model that was
tuned twice, with times at every step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from storymill.cli import demo_tuning
from storymill.cli.connection import connect
from storymill.cli.console import make_link
from storymill.cli.demo_mill import DemoClock, running_mill
from storymill.cli.demo_stories import tell_again_if_lost
from storymill.cli.generations import export_generation, watch_to_end
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.recipe_files import read_recipe_file
from storymill.cli.stories import print_story
from storymill.cli.streams import print_stream
from storymill.cli.terminal import console
from storymill.cli.words import format_seconds
from storymill.client.rest import Api

RECIPES = Path(__file__).resolve().parents[2] / "data" / "recipes"
SHOWN_STORIES = 2
BASE_MODEL = "text-davinci-003"
"""The engine's storyteller. It tells stories already, so a few dozen rows teach it the short prompt; `curie`, which is
the untuned Gemma, would need hundreds of them and an hour to write Chinese that holds together."""
LEARNING_RATE_MULTIPLIER = 0.2
"""The article's. Validation loss of 23 stories after two epochs: 1.16 (1.18 after one). At 0.5 they are learned by
heart: 1.23, 1.26, 1.32 after one, two, three epochs, while the training loss falls to 0.42."""
FEWEST_STORIES = 12
"""Providers refuse a training on fewer than ten rows; one in ten is held out."""
NEW_CELL = "宋,发射激光,艰难 ->\n"
"""The article's, as it asks: a power that is in no row, and a line break more than the rows have."""
NEWEST_CELL = "五代,流星火雨,艰难 ->\n"
STREAMED_CELL = "汉,冰冻大海,艰难 ->\n"


@dataclass(frozen=True, slots=True)
class DemoSizes:
    """How much of everything."""

    stories: int = 24
    epochs: int = 2
    more_stories: int = 12
    more_epochs: int = 2


QUICK = DemoSizes(stories=12, epochs=1, more_stories=12, more_epochs=1)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(demo)


def demo(
    stories: Annotated[
        int | None, typer.Option(min=FEWEST_STORIES, max=162, help="How many stories to write; 24 unless given.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer stories, one epoch: to see that it works.")] = False,
    keep_running: Annotated[bool, typer.Option("--keep-running", help="Leave everything running at the end.")] = False,
    export: Annotated[Path, typer.Option(help="The CSV of the stories.")] = Path("data/ultraman_stories.csv"),
    picture: Annotated[Path, typer.Option(help="The picture of the curves.")] = Path("data/ultraman_curve.png"),
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """The article's flow: write stories, prepare, fine-tune, ask, count the cost, tune again, stream."""
    sizes = QUICK if quick else DemoSizes()
    if stories is not None:
        sizes = DemoSizes(stories, sizes.epochs, sizes.more_stories, sizes.more_epochs)
    for target in (export, picture):
        target.parent.mkdir(parents=True, exist_ok=True)
    clock = DemoClock()
    with running_mill(clock, state_dir, keep_running), connect(state_dir) as api:
        model = tune_once(api, clock, sizes, export, picture)
        newest = tune_again(api, clock, sizes, model)
        finish(api, clock, newest)
    console.print(f"\nThe demo took {format_seconds(clock.elapsed_seconds)}.", style="bold")
    print_next_steps(state_dir, is_running=keep_running)
    print_console(state_dir, is_running=keep_running)


def tune_once(api: Api, clock: DemoClock, sizes: DemoSizes, export: Path, picture: Path) -> str:
    """Take the article's first half; returns the tuned model."""
    with clock.step(f"Write {sizes.stories} stories, one per cell of the grid, through the queue"):
        generation_id = write_stories(api, "ultraman.json", sizes.stories)
    with clock.step("Read some of them, export all with the article's columns"):
        show_stories(api, generation_id)
        export_generation(api, generation_id, export)
    with clock.step("Prepare them for training"):
        dataset = demo_tuning.prepare_run(api, generation_id)
    with clock.step(f"Fine-tune {BASE_MODEL}, the storyteller, on them"):
        demo_tuning.cancel_leftovers(api)
        console.print(
            "(Not the article's curie: with so few rows only a model that tells stories already tells good ones.)"
        )
        job = demo_tuning.train(
            api, dataset, BASE_MODEL, epochs=sizes.epochs, learning_rate_multiplier=LEARNING_RATE_MULTIPLIER
        )
    with clock.step("List the jobs, draw the results"):
        demo_tuning.show_jobs(api)
        demo_tuning.show_results(api, job["id"], picture)
    with clock.step("Ask the tuned model, with the short prompt"):
        demo_tuning.tell_story(api, job["fine_tuned_model"], NEW_CELL)
    with clock.step("Count the cost: when does a tuned model pay?"):
        demo_tuning.show_cost(api, job, sizes.stories)
    model: str = job["fine_tuned_model"]
    return model


def tune_again(api: Api, clock: DemoClock, sizes: DemoSizes, model: str) -> str:
    """Go on from the tuned model with stories of other dynasties; returns the newest model."""
    with clock.step(f"Write {sizes.more_stories} stories of new dynasties and powers, prepare them"):
        generation_id = write_stories(api, "ultraman_more.json", sizes.more_stories)
        dataset = demo_tuning.prepare_run(api, generation_id)
    with clock.step("Tune the tuned model again"):
        job = demo_tuning.train(
            api, dataset, model, epochs=sizes.more_epochs, learning_rate_multiplier=LEARNING_RATE_MULTIPLIER
        )
        demo_tuning.tell_story(api, job["fine_tuned_model"], NEWEST_CELL)
    newest: str = job["fine_tuned_model"]
    return newest


def finish(api: Api, clock: DemoClock, newest: str) -> None:
    """Name the newest model, show where it comes from, and stream from it."""
    with clock.step(f"Let {demo_tuning.ALIAS} lead to the newest model"):
        reason = "the demo's newest model"
        api.post("/model_aliases", {"alias": demo_tuning.ALIAS, "model": newest, "reason": reason})
        demo_tuning.show_line(api, newest)
    with clock.step("Stream a story from it, token by token, over the WebSocket"):
        console.print(STREAMED_CELL.strip(), style="bold")
        body = {"model": demo_tuning.ALIAS, "prompt": STREAMED_CELL, "temperature": demo_tuning.TEMPERATURE}
        tell_again_if_lost(lambda: print_stream(api, {**body, "max_tokens": demo_tuning.STORY_TOKENS}))


def write_stories(api: Api, recipe_file: str, count: int) -> str:
    """Record a recipe and fill the first `count` cells of its grid, once each; returns the run's id."""
    recipe: dict[str, Any] = read_recipe_file(RECIPES / recipe_file)
    recorded = api.post("/recipes", recipe)
    sizes = " × ".join(f"{len(values)} {name}" for name, values in recipe["attributes"].items())
    console.print(f"recipe {recorded['name']}: {sizes} × {recipe['repeats']} repeats; here the first {count} cells")
    generation = api.post("/generations", {"recipe": recorded["id"], "repeats": 1, "limit": count})
    watch_to_end(api, generation["id"], None, Patience(console))
    generation_id: str = generation["id"]
    return generation_id


def show_stories(api: Api, generation_id: str) -> None:
    """Print the first stories of a run."""
    for story in api.list_all("/stories", at_most=SHOWN_STORIES, generation_id=generation_id, status="succeeded"):
        print_story(story)


def print_console(state_dir: Path, *, is_running: bool) -> None:
    """Say where all of this can be looked at; a mill that was left running is one link away."""
    if is_running:
        with connect(state_dir) as api:
            lines = [
                "",
                "Look at it in the console (the link logs in once, within five minutes):",
                f"  {make_link(api)}",
            ]
    else:
        lines = [
            "",
            "To look at what the demo made in the web console: make demo KEEP=1, or storymill up, storymill console.",
        ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


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
        f"  .venv/bin/storymill stream '唐,喷火,努力' --model {demo_tuning.ALIAS}{here}",
        f"  .venv/bin/storymill fine-tunes list{here}         # and show, results, watch; `models tree` shows the line",
        f"  .venv/bin/storymill recipes add data/recipes/ultraman.json{here}",
        f"  .venv/bin/storymill generate ultraman --limit 54 --export stories.csv{here}",
        f"  .venv/bin/storymill status{here}                  # processes; `storymill down` stops them",
        "Docs: README.md, docs/fine-tuning.md, docs/api.md (REST), docs/stream-protocol.md, docs/operators.md.",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
