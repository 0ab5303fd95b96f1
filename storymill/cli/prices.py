"""`storymill prices`: what models cost, on which day, according to whom."""

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from storymill.cli.connection import connect
from storymill.cli.next_steps import SHOW_PRICE, WEIGH, compare_price
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, make_columns, print_broad, print_list, say, say_command
from storymill.cli.words import UNIT_NAMES, describe_units, format_usd

prices_app = typer.Typer(help="Prices of models: show, compare, list.", no_args_is_help=True)

ProviderOption = Annotated[str | None, typer.Option(help="The one that serves the model, unless given.")]
DayOption = Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help="Prices of this day; today's else.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(prices_app, name="prices")


@prices_app.command("show")
def show(
    model: str,
    provider: ProviderOption = None,
    on: DayOption = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show what a model costs to use and to train, with the source of each price."""
    with connect(state_dir) as api:
        prices = api.get("/prices/show", model=model, provider=provider, on=on)
    if print_for_programs([prices], as_json=as_json):
        return
    say(f"{prices['model']} at {prices['provider']}")
    for unit, amount in prices["usd_per_unit"].items():
        say(f"  {UNIT_NAMES[unit]}: {format_usd(amount)}")
    say(f"  use: {prices['usage_note']}")
    say(f"  training: {prices['training_note']}")
    if prices["shutdown_date"]:
        say(f"  shut down on {prices['shutdown_date']}", style="yellow")
    say_command(*compare_price(prices["model"], prices["provider"]))


@prices_app.command("compare")
def compare(
    model: str,
    against: str,
    provider: ProviderOption = None,
    on: DayOption = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show how many times as much one model costs as another."""
    with connect(state_dir) as api:
        found = api.get("/prices/compare", model=model, against=against, provider=provider, on=on)
    if print_for_programs([found], as_json=as_json):
        return
    names = [found[side]["model"] for side in ("model", "against")]
    numbers = (Column(name, justify="right", no_wrap=True) for name in (*names, "times"))
    table = Table("", *numbers, box=None, pad_edge=False)
    for unit, times in found["times"].items():
        amounts = [format_usd(found[side]["usd_per_unit"][unit]) for side in ("model", "against")]
        table.add_row(UNIT_NAMES[unit], *amounts, f"{times:g} ×")
    print_broad(table)
    for side in ("model", "against"):
        say(f"{found[side]['model']}: {found[side]['usage_note']}", style="dim")
    say_command(*WEIGH)


@prices_app.command("list")
def list_prices(
    model: Annotated[str | None, typer.Argument(help="A name, or a part of one.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help="Only what counts on this day.")] = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """List the price book: what stands in the files, past and present."""
    columns = make_columns("provider", "models", "US dollars", ("valid", 2), ("source", 1))
    with connect(state_dir) as api:
        entries = api.get("/prices", model=model, provider=provider, on=on)["data"]
    if print_for_programs(entries, as_json=as_json):
        return
    for entry in entries:
        source = f"{entry['source']} ({entry['read_on']})"
        units = describe_units(entry["usd_per_unit"])
        add_row(columns, entry["provider"], entry["models"], units, describe_period(entry), source)
    print_list(columns, following=SHOW_PRICE)


def describe_period(entry: dict[str, Any]) -> str:
    """Return from when to when a price counts, and the model's end."""
    end = f", shut down {entry['shutdown_date']}" if entry["shutdown_date"] else ""
    return f"{entry['valid_from']} – {entry['valid_until'] or ''}{end}"
