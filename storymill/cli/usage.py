"""`storymill usage`: what was used and paid, by day, model, key or job."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from storymill.cli.connection import connect, console
from storymill.cli.money import format_usd
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
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
COLUMN_GAP = 2
LONGEST_LINE = 2000
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
    if not rows:
        console.print(f"Nothing was used in the last {days} days.")
        return
    print_table(groups, rows)
    if unpriced := sum(row["unpriced_requests"] for row in rows):
        console.print(f"{unpriced:,} of these have no known price and are not in the cost: storymill prices show MODEL")


def read_groups(text: str) -> list[str]:
    """Return the groups asked for. Raises: ClientError when there are none, or some are unknown."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ClientError(f"--by: give some of {', '.join(GROUPS)}.")
    return names


def build_table(groups: list[str], rows: list[dict[str, Any]], bar_cells: int) -> Table:
    """Return the sums with their totals in the footer, and with bars where there is room for them."""
    totals = {name: sum(row[name] for row in rows) for name in (*COUNTS, "cost_usd")}
    feet = ["total", *[""] * (len(groups) - 1)]
    numbers = [f"{totals[field]:,}" for field in COUNTS] + [format_usd(totals["cost_usd"])]
    columns = [Column(name, foot, no_wrap=True) for name, foot in zip(groups, feet, strict=True)]
    columns += [
        Column(name, foot, justify="right", no_wrap=True) for name, foot in zip(NUMBER_NAMES, numbers, strict=True)
    ]
    columns += [Column("", no_wrap=True)] if bar_cells else []
    table = Table(*columns, box=None, pad_edge=False, show_footer=True)
    for row, share in zip(rows, find_shares(rows), strict=True):
        cells = [str(row[GROUPS[name]] or "-") for name in groups]
        cells += [f"{row[field]:,}" for field in COUNTS] + [format_usd(row["cost_usd"])]
        table.add_row(*cells, *([draw_bar(share, bar_cells)] if bar_cells else []))
    return table


def print_table(groups: list[str], rows: list[dict[str, Any]]) -> None:
    """Print the sums; ids stay whole, so that they can be copied, even if a line is then longer than the window."""
    boundless = console.options.update(max_width=LONGEST_LINE)
    width = Measurement.get(console, boundless, build_table(groups, rows, 0)).maximum
    room = console.width - width - COLUMN_GAP
    table = build_table(groups, rows, min(BAR_CELLS, room) if room >= FEWEST_BAR_CELLS else 0)
    Console(width=max(console.width, width)).print(table)


def find_shares(rows: list[dict[str, Any]]) -> list[float]:
    """Return each row's part of the whole cost; of all tokens where nothing costs."""
    field = "cost_usd" if any(row["cost_usd"] for row in rows) else "total_tokens"
    whole = sum(row[field] for row in rows)
    return [row[field] / whole if whole else 0.0 for row in rows]


def draw_bar(share: float, cells: int) -> str:
    """Return a bar of at most so many cells; what is not nothing shows."""
    halves = round(share * cells * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2) if halves else ("╸" if share else "")
