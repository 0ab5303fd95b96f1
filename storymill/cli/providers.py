"""`storymill providers`: how those who write the texts stand, as the workers found."""

from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import START, after_alias, after_newest, after_provider, show_provider
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import ListColumn, add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import count_of, format_moment, format_usd, list_of

MARKS = {True: "yes", False: "no", None: "?"}
VERDICT_STYLES = {"well": "green", "silent": "yellow"}

providers_app = typer.Typer(help="Providers: who is well, down, silent, out of credit.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(providers_app, name="providers")


@providers_app.command("list")
def list_providers(as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show every provider with the verdict on it."""
    columns = make_columns("provider", "verdict", ("since", 2), ("until", 1))
    columns.append(ListColumn("last failure", shrinks=True))
    with connect(state_dir) as api:
        providers = api.get("/providers")["data"]
    if print_for_programs(providers, as_json=as_json):
        return
    for provider in providers:
        moments = (spell_time(provider[field]) for field in ("since", "until"))
        add_row(columns, provider["name"], spell_verdict(provider), *moments, describe_failure(provider))
    print_list(columns, following=after_newest(sorted(providers, key=is_well), show_provider, START))


@providers_app.command("show")
def show(name: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show one provider, its verdict and its limits."""
    with connect(state_dir) as api:
        provider = api.get(f"/providers/{name}")
    if print_for_programs([provider], as_json=as_json):
        return
    console.print(f"{provider['name']}: {describe_verdict(provider)}", highlight=False)
    for label, field in (("since", "since"), ("until", "until"), ("last heard of", "seen_at")):
        if provider[field]:
            console.print(f"  {label}: {spell_time(provider[field])}", highlight=False)
    if failure := describe_failure(provider):
        console.print(f"  last failure: {failure}", highlight=False, markup=False, soft_wrap=True)
    for line in list_limits(provider) + list_facts(provider):
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    say_command(*after_provider(provider))


@providers_app.command("test")
def try_out(
    name: str,
    model: Annotated[str | None, typer.Option(help="One of its models; the first that it lists if left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Try a provider out and say what works. Asks first: it writes three short texts. Exits 1 when no text comes."""
    asked = {"model": model} if model else {}
    with connect(state_dir) as api:
        plan = api.post(f"/providers/{name}/test", {**asked, "dry_run": True})
        most = plan["most_cost_usd"]
        cost = "at an unknown cost" if most is None else f"for at most {format_usd(most)}"
        say(f"{name}: at most {count_of(plan['most_calls'], 'call')}, to {plan['model']}, {cost}")
        if not yes and not typer.confirm("Go on?", default=True):
            raise typer.Exit(1)
        with console.status("asking the provider"):
            results = api.post(f"/providers/{name}/test", {**asked, "model": plan["model"]})["results"]
    for found in results:
        mark = MARKS[found["works"]]
        note = f"  {found['note']}" if found["note"] else ""
        console.print(f"  {mark:<3} {found['name'].replace('_', ' ')}{note}", highlight=False, markup=False)
    if not any(found["works"] for found in results if found["name"] == "text"):
        say_command(*show_provider({"name": name}))
        raise typer.Exit(1)
    say_command(*after_alias(plan["model"]))


def list_limits(provider: dict[str, Any]) -> list[str]:
    """Return a line for each limit that is configured, or told by the provider's answers."""
    limits = provider["limits"].items()
    lines = [f"{name.replace('_', ' ')}: {'none' if amount is None else f'{amount:,}'}" for name, amount in limits]
    for model, told in (provider.get("learnt_limits") or {}).items():
        lines.append(f"its answers tell of {model}: " + ", ".join(f"{told[name]:,} {name}" for name in sorted(told)))
    return lines


def list_facts(provider: dict[str, Any]) -> list[str]:
    """Return a line for each other thing that the workers know."""
    calls = provider.get("calls_in_flight")
    lines = [] if calls is None else [f"calls in flight: {calls:,}"]
    for silent in provider.get("silent_models") or ():
        lines.append(f"{silent['model']} takes no calls until {spell_time(silent['until'])}")
    for model, changes in (provider.get("dialects") or {}).items():
        if changes:
            lines.append(f"{model} is asked with {list_of(changes)}")
    return lines


def is_well(provider: dict[str, Any]) -> bool:
    """Say whether a provider takes calls without trouble."""
    return bool(provider["verdict"] == "well")


def describe_verdict(provider: dict[str, Any]) -> str:
    """Return a verdict in its colour."""
    style = VERDICT_STYLES.get(str(provider["verdict"]), "red")
    return f"[{style}]{spell_verdict(provider)}[/{style}]"


def spell_verdict(provider: dict[str, Any]) -> str:
    """Return a verdict in words."""
    return str(provider["verdict"]).replace("_", " ")


def describe_failure(provider: dict[str, Any]) -> str:
    """Return what went wrong last, empty when nothing did."""
    failure = provider["last_failure"]
    if failure is None:
        return ""
    status = f" ({failure['upstream_status']})" if failure["upstream_status"] else ""
    words = f": {failure['message']}" if failure.get("message") else ""
    return f"{str(failure['class']).replace('_', ' ')}{status}{words}"


def spell_time(seconds: int | None) -> str:
    """Return a moment as people read it, empty without one."""
    return format_moment(seconds) if seconds else ""
