"""`storymill roi`: when a tuned model has earned what it cost."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from storymill.cli.connection import connect
from storymill.cli.cost_curve import draw_costs
from storymill.cli.cost_picture import draw_cost_picture
from storymill.cli.next_steps import FIRST_JOB, tune_again
from storymill.cli.option_names import fields_are
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_broad, print_list, say, say_command
from storymill.cli.words import format_usd

PLOT_HEIGHT = 16


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(roi)


@fields_are(
    tuned__prompt_tokens="--tuned-prompt",
    tuned__completion_tokens="--completion",
    tuned__usd_per_call="--tuned-usd",
    base__prompt_tokens="--base-prompt",
    base__cached_tokens="--base-cached",
    base__completion_tokens="--completion",
    base__usd_per_call="--base-usd",
    prompt_tokens="--base-prompt",
    cached_tokens="--base-cached",
)
def roi(
    model: Annotated[str | None, typer.Argument(help="The tuned model: name, alias or id.")] = None,
    against: Annotated[str | None, typer.Option(help="The base model that it takes the place of.")] = None,
    provider: Annotated[str | None, typer.Option(help="Of the tuned model.")] = None,
    against_provider: Annotated[str | None, typer.Option(help="Of the base model.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help="Prices of this day.")] = None,
    tuned_prompt: Annotated[int | None, typer.Option(min=0, help="Prompt tokens of a tuned call.")] = None,
    base_prompt: Annotated[int | None, typer.Option(min=0, help="Prompt tokens of a base call: the long one.")] = None,
    base_cached: Annotated[int, typer.Option(min=0, help="Of those, found in the provider's cache.")] = 0,
    completion: Annotated[int | None, typer.Option(min=0, help="Completion tokens of a call, both ways.")] = None,
    tuned_usd: Annotated[
        float | None, typer.Option(min=0, help="A tuned call's price, in place of its tokens.")
    ] = None,
    base_usd: Annotated[float | None, typer.Option(min=0, help="A base call's price, in place of its tokens.")] = None,
    data_usd: Annotated[
        float | None, typer.Option(min=0, help="What the data cost; the books say, unless given.")
    ] = None,
    training_usd: Annotated[float | None, typer.Option(min=0, help="What training cost; the same.")] = None,
    evaluation_usd: Annotated[float | None, typer.Option(min=0, help="What evaluation cost; the same.")] = None,
    hosting_usd: Annotated[float | None, typer.Option(min=0, help="Hosting paid once.")] = None,
    hosting_usd_per_hour: Annotated[float | None, typer.Option(min=0, help="Hosting by the hour.")] = None,
    calls_per_day: Annotated[int | None, typer.Option(min=1, help="How many calls a day.")] = None,
    shutdown_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="When the model ends.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the two lines into this file as well.")] = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Find the break-even: what was paid for the tuned model, over what each of its calls saves."""
    body = {
        "model": model,
        "against": against,
        "provider": provider,
        "against_provider": against_provider,
        "on": on,
        "tuned": describe_side(tuned_usd, tuned_prompt, 0, completion),
        "base": describe_side(base_usd, base_prompt, base_cached, completion),
        "data_usd": data_usd,
        "training_usd": training_usd,
        "evaluation_usd": evaluation_usd,
        "hosting_usd": hosting_usd,
        "hosting_usd_per_hour": hosting_usd_per_hour,
        "calls_per_day": calls_per_day,
        "shutdown_date": shutdown_date,
    }
    with connect(state_dir) as api:
        found = api.post("/roi", {name: value for name, value in body.items() if value is not None})
    tell_return(found, model, png, as_json=as_json)


def tell_return(found: dict[str, Any], model: str | None, png: Path | None, *, as_json: bool) -> None:
    """Draw what was found if asked, print it, and name the next command to people."""
    if png is not None:
        draw_cost_picture(found["curve"], found["break_even"]["calls"], png)
    if print_for_programs([found], as_json=as_json):
        return
    print_return(found)
    if png is not None:
        say(f"wrote {png}")
    say_command(*(tune_again(model) if model is not None else FIRST_JOB))


def describe_side(usd: float | None, prompt: int | None, cached: int, completion: int | None) -> dict[str, Any] | None:
    """Return what is known of one side's calls, None for nothing; the mill looks the rest up."""
    if usd is not None:
        return {"usd_per_call": usd}
    known = {"prompt_tokens": prompt, "cached_tokens": cached or None, "completion_tokens": completion}
    return {name: tokens for name, tokens in known.items() if tokens is not None} or None


def print_return(found: dict[str, Any]) -> None:
    """Print costs, verdict and curve."""
    print_broad(build_cost_table(found))
    print_calls(found)
    end = found["break_even"]
    pays = end["calls"] is not None and not end["comes_too_late"]
    say(end["reason"], style="bold green" if pays else "bold yellow")
    print_broad(draw_costs(found["curve"], min(console.width, 100), PLOT_HEIGHT))


def build_cost_table(found: dict[str, Any]) -> Table:
    """Return what is paid once."""
    table = Table(
        Column("paid once", "total"),
        Column("", format_usd(found["fixed_total_usd"]), justify="right"),
        box=None,
        pad_edge=False,
        show_footer=True,
    )
    for name, amount in found["fixed_usd"].items():
        table.add_row(name, format_usd(amount))
    return table


def print_calls(found: dict[str, Any]) -> None:
    """Print what a call costs each way, and where its price is from."""
    numbers = ("tokens in", "cached", "tokens out", "a call")
    columns = make_columns("model", ("tokens in", 2), ("cached", 1), ("tokens out", 3), "a call", right=numbers)
    sides = (("base", found["against"] or "base"), ("tuned", found["model"] or "tuned"))
    for side, name in sides:
        call = found[side]
        sizes = ("prompt_tokens", "cached_tokens", "completion_tokens")
        cells = ["" if call[size] is None else f"{call[size]:,}" for size in sizes]
        add_row(columns, name, *cells, format_usd(call["usd_per_call"]))
    if found["hosting_per_call_usd"]:
        add_row(columns, "hosting, by the day's calls", "", "", "", format_usd(found["hosting_per_call_usd"]))
    add_row(columns, "saved", "", "", "", format_usd(found["saving_per_call_usd"]))
    print_list(columns)
    for side, name in sides:
        if note := found[side]["price_note"]:
            say(f"price of {name}: {note}", style="dim")
