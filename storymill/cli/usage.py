"""`storymill usage`: what was used and paid, by day, model, key or job."""

import time
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import FIRST_STREAM, WEIGH
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import (
    GAP,
    ListColumn,
    add_row,
    console,
    make_columns,
    measure,
    print_list,
    say,
    say_command,
)
from storymill.cli.words import count_of, format_usd
from storymill.client.errors import ClientError

GROUPS = {
    "day": "day",
    "model": "model",
    "provider": "provider",
    "key": "api_key_id",
    "generation": "generation_id",
    "job": "fine_tuning_job_id",
    "kind": "kind",
}
SECONDS_PER_DAY = 86_400
BAR_CELLS, FEWEST_BAR_CELLS = 24, 8
COUNTS = ("requests", "prompt_tokens", "completion_tokens")
NUMBER_NAMES = ("calls", "tokens in", "tokens out", "cost")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(usage)


def usage(
    by: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(GROUPS)}.")] = "day",
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far back.")] = 30,
    model: Annotated[str | None, typer.Option(help="Only this model, as its provider calls it.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only inference, or only training.")] = None,
    job: Annotated[str | None, typer.Option(help="Only this fine-tuning job.")] = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show tokens and cost with totals. A bar is the part of the whole cost, or of all tokens where nothing costs."""
    groups = read_groups(by)
    query = {
        "group_by": ",".join(GROUPS[name] for name in groups),
        "start_time": int(time.time()) - days * SECONDS_PER_DAY,
        "model": model,
        "kind": kind,
        "fine_tuning_job_id": job,
    }
    with connect(state_dir) as api:
        rows = api.get("/usage", **query)["data"]
    if print_for_programs(rows, as_json=as_json):
        return
    if not rows:
        say(f"Nothing was used in the last {count_of(days, 'day')}.")
        say_command(*FIRST_STREAM)
        return
    print_table(groups, rows)
    if unpriced := sum(row["unpriced_requests"] for row in rows):
        say(f"Without a known price, and not in the cost: {count_of(unpriced, 'call')} (storymill prices show MODEL)")
    say_command(*WEIGH)


def read_groups(text: str) -> list[str]:
    """Return the groups asked for. Raises: ClientError when there are none, or some are unknown."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ClientError(f"--by: give some of {', '.join(GROUPS)}.")
    return names


def build_list(groups: list[str], rows: list[dict[str, Any]]) -> list[ListColumn]:
    """Return the sums, and in the last line their totals."""
    columns = make_columns(*groups, ("calls", 3), ("tokens in", 2), ("tokens out", 1), "cost", right=NUMBER_NAMES)
    for row in rows:
        names = (str(row[GROUPS[name]] or "-") for name in groups)
        add_row(columns, *names, *(f"{row[field]:,}" for field in COUNTS), describe_sum(row))
    totals = {name: sum(row[name] for row in rows) for name in (*COUNTS, "unpriced_requests", "cost_usd")}
    feet = ["total", *[""] * (len(groups) - 1)]
    add_row(columns, *feet, *(f"{totals[field]:,}" for field in COUNTS), describe_sum(totals))
    return columns


def describe_sum(row: dict[str, Any]) -> str:
    """Return what calls cost; unknown where none of them has a price."""
    return format_usd(None if row["requests"] and row["unpriced_requests"] == row["requests"] else row["cost_usd"])


def print_table(groups: list[str], rows: list[dict[str, Any]]) -> None:
    """Print the sums; ids stay whole, so that they can be copied, even if a line is then longer than the window."""
    columns = build_list(groups, rows)
    room = console.width - measure(columns) - GAP
    if room >= FEWEST_BAR_CELLS:
        bars = [draw_bar(share, min(BAR_CELLS, room)) for share in find_shares(rows)]
        columns.append(ListColumn("", cells=[*bars, ""]))
    print_list(columns)


def find_shares(rows: list[dict[str, Any]]) -> list[float]:
    """Return each row's part of the whole cost; of all tokens where nothing costs."""
    field = "cost_usd" if any(row["cost_usd"] for row in rows) else "total_tokens"
    whole = sum(row[field] for row in rows)
    return [row[field] / whole if whole else 0.0 for row in rows]


def draw_bar(share: float, cells: int) -> str:
    """Return a bar of at most so many cells; what is not nothing shows."""
    halves = round(share * cells * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2) if halves else ("╸" if share else "")
