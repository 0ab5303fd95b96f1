"""`storymill stories`: read and review what was written."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.panel import Panel

from storymill.cli.connection import connect
from storymill.cli.next_steps import FIRST_RUN, after_newest, after_story, show_story
from storymill.cli.options import DEFAULT_STATE_DIR, IdsOption, JsonOption, LimitOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import ListColumn, add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import count_of, describe_state

TEASER_CHARACTERS = 30

stories_app = typer.Typer(help="Stories: list, read, review.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(stories_app, name="stories")


@stories_app.command("list")
def list_stories(
    generation: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed, …")] = None,
    limit: LimitOption = 20,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show stories, one a line: those of a run in its order, else the newest first."""
    order = "asc" if generation else "desc"
    with connect(state_dir) as api:
        found = api.list_all("/stories", at_most=limit, generation_id=generation, status=status, order=order)
        stories = list(found)
    if not print_for_programs(stories, as_json=as_json, ids=ids):
        print_stories(stories)


def print_stories(stories: list[dict[str, Any]]) -> None:
    """Print stories, one a line."""
    columns = [*make_columns("id", "status"), ListColumn("story", shrinks=True)]
    for story in stories:
        text = " ".join((story["text"] or story.get("failure_message") or "").split())
        teaser = f"{describe_attributes(story)}  {text[:TEASER_CHARACTERS]}"
        add_row(columns, story["id"], describe_state(story["status"]), teaser)
    print_list(columns, following=after_newest(stories, show_story, FIRST_RUN))


@stories_app.command("show")
def show(story_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print one story."""
    with connect(state_dir) as api:
        story = api.get(f"/stories/{story_id}")
    if not print_for_programs([story], as_json=as_json):
        print_story(story)
        say_command(*after_story(story))


@stories_app.command("review")
def review(
    context: typer.Context,
    story_id: Annotated[str | None, typer.Argument(help="One story; without it a screen of them opens.")] = None,
    verdict: Annotated[str | None, typer.Argument(help="accepted or rejected")] = None,
    generation: Annotated[str | None, typer.Option(help="Screen: of this run, else of the newest.")] = None,
    status: Annotated[str | None, typer.Option(help="Screen: succeeded (the default), failed, …")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Accept or reject a story; without one, read and judge them in the terminal."""
    if story_id is None:
        review_on_screen(generation, status, state_dir)
        return
    if verdict is None:
        context.fail("Missing argument 'verdict'.")
    if generation is not None or status is not None:
        context.fail("--generation and --status are for the screen: leave out the story's id.")
    with connect(state_dir) as api:
        story = api.patch(f"/stories/{story_id}", {"review": verdict})
        say(f"{story_id}: {story['review']}")
        say_command("Once all are reviewed", f"storymill datasets prepare {story['generation_id']}")


def review_on_screen(generation: str | None, status: str | None, state_dir: Path) -> None:
    """Open the review; exits with 1 when decisions are left to be sent."""
    from storymill.cli.story_review.sitting import hold_sitting, require_terminal  # noqa: PLC0415 this command's alone

    require_terminal()
    with connect(state_dir) as api:
        is_all_sent = hold_sitting(api, generation, status)
    if not is_all_sent:
        raise typer.Exit(1)


def print_story(story: dict[str, Any]) -> None:
    """Print a story in a frame, its cell above and its numbers below."""
    tokens = (story.get("usage") or {}).get("completion_tokens")
    counted = "tokens not counted" if tokens is None else count_of(tokens, "token")
    facts = (describe_state(story["status"]), story["finish_reason"], counted)
    footer = " · ".join(fact for fact in facts if fact)
    text = (story["text"] or story.get("failure_message") or "").strip()
    console.print(Panel(text, title=describe_attributes(story), subtitle=footer), highlight=False)


def describe_attributes(story: dict[str, Any]) -> str:
    """Return the cell as `唐 · 隐形 · 轻松`."""
    return " · ".join(str(value) for value in story["attributes"].values())
