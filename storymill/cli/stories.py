"""`storymill stories`: read and review what was written."""

from typing import Annotated, Any

import typer
from rich.panel import Panel
from rich.table import Column, Table

from storymill.cli.connection import connect, console
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption

TEASER_CHARACTERS = 30
STORY_ID_WIDTH = 38
"""A whole id, to be copied: it may not be shortened."""

stories_app = typer.Typer(help="Stories: list, read, review.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(stories_app, name="stories")


@stories_app.command("list")
def list_stories(
    generation: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed, …")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show stories, one a line: those of a run in its order, else the newest first."""
    id_column = Column("id", min_width=STORY_ID_WIDTH, no_wrap=True)
    table = Table(
        id_column,
        Column("status", min_width=9, no_wrap=True),
        Column("story", max_width=TEASER_CHARACTERS),
        box=None,
        pad_edge=False,
    )
    order = "asc" if generation else "desc"
    with connect(state_dir) as api:
        for story in api.list_all("/stories", at_most=limit, generation_id=generation, status=status, order=order):
            text = (story["text"] or story.get("failure_message") or "").replace("\n", " ")
            teaser = f"{describe_attributes(story)}  {text[:TEASER_CHARACTERS]}"
            table.add_row(story["id"], story["status"], teaser)
    console.print(table)


@stories_app.command("show")
def show(story_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print one story."""
    with connect(state_dir) as api:
        print_story(api.get(f"/stories/{story_id}"))


@stories_app.command("review")
def review(
    story_id: str,
    verdict: Annotated[str, typer.Argument(help="accepted or rejected")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Accept or reject a story."""
    with connect(state_dir) as api:
        story = api.patch(f"/stories/{story_id}", {"review": verdict})
        console.print(f"{story_id}: {story['review']}")


def print_story(story: dict[str, Any]) -> None:
    """Print a story in a frame, its cell above and its numbers below."""
    usage = story.get("usage")
    counted = f"{usage['completion_tokens']} tokens" if usage else "tokens not counted"
    footer = f"{story['status']} · {story['finish_reason']} · {counted}"
    text = (story["text"] or story.get("failure_message") or "").strip()
    console.print(Panel(text, title=describe_attributes(story), subtitle=footer), highlight=False)


def describe_attributes(story: dict[str, Any]) -> str:
    """Return the cell as `唐 · 隐形 · 轻松`."""
    return " · ".join(str(value) for value in story["attributes"].values())
