"""A run's pilot on the command line: its few stories are waited for, the rest is forecast, and asked for before it
is paid."""

import sys
from typing import Any, Final

import typer

from storymill.cli.patience import Patience
from storymill.cli.progress import follow_generation
from storymill.cli.terminal import say
from storymill.cli.words import count_of, format_usd
from storymill.client.rest import Api

PILOT: Final = "pilot"
"""The reason of a run that is paused after its pilot."""


def write_pilot(api: Api, generation: dict[str, Any], patience: Patience, *, is_sure: bool) -> dict[str, Any]:
    """Follow a run through its pilot, tell what the rest would take, and go on if that is wanted. Return the run:
    paused when it is not, else at work or over."""
    run_id = generation["id"]
    followed = follow_generation(api, run_id, patience)
    if not is_after_pilot(followed):
        return followed
    forecast = patience.ask(lambda: api.get(f"/generations/{run_id}/forecast"))
    tell_forecast(forecast)
    if not may_go_on(forecast, is_sure=is_sure):
        return followed
    resumed: dict[str, Any] = api.post(f"/generations/{run_id}/resume")
    return resumed


def is_after_pilot(generation: dict[str, Any]) -> bool:
    """Say whether a run waits for somebody to want the rest of it."""
    return bool(generation["status"] == "paused" and generation["status_reason"] == PILOT)


def may_go_on(forecast: dict[str, Any], *, is_sure: bool) -> bool:
    """Say whether the rest is wanted. Who was sure before the pilot was so of stories: where it has none, nobody is."""
    seen = forecast["seen"]
    if is_sure and seen["stories"] > seen["failed"] + seen["rejected"]:
        return True
    if is_sure:
        say("none of the pilot's stories was written: the rest waits until you have seen why")
    return ask_to_go_on(forecast)


def ask_to_go_on(forecast: dict[str, Any]) -> bool:
    """Ask whoever sits at the terminal; nobody does where there is none."""
    if not sys.stdin.isatty():
        return False
    try:
        return typer.confirm(f"Write the other {count_of(forecast['left'], 'story')}?")
    except typer.Abort:  # Ctrl-C, or the end of the input
        typer.echo()
        return False


def tell_forecast(forecast: dict[str, Any]) -> None:
    """Say what the pilot's stories took, and what the others would."""
    seen = forecast["seen"]
    calls = f"{count_of(seen['calls'], 'call')}, {seen['rejected_calls']:,} rejected ({seen['reject_rate']:.0%})"
    say(f"pilot: {count_of(seen['stories'], 'story')}, {calls}, cost {format_usd(forecast['spent_usd'])}")
    prompt, completion = seen["prompt_tokens_per_story"], seen["completion_tokens_per_story"]
    say(f"a story: {prompt:,.0f} tokens of prompts, {completion:,.0f} of texts, {describe_story_cost(seen)}")
    if forecast["completion_tokens"] is not None:
        tokens = forecast["completion_tokens"]
        most = f"({tokens['low']:,} to {tokens['high']:,})"
        say(f"the other {forecast['left']:,}: about {count_of(tokens['expected'], 'token')} of texts {most}")
    say(f"cost of the others: {describe_cost_interval(forecast['cost_usd'])}")
    for note in forecast["notes"]:
        say(f"- {note}")


def describe_story_cost(seen: dict[str, Any]) -> str:
    """Return what a story cost on average."""
    cost = seen["cost_usd_per_story"]
    return "cost unknown" if cost is None else format_usd(cost)


def describe_cost_interval(cost: dict[str, float] | None) -> str:
    """Return a cost with what it lies between."""
    if cost is None:
        return "unknown"
    if cost["low"] == cost["high"]:
        return format_usd(cost["expected"])
    return f"about {format_usd(cost['expected'])} ({format_usd(cost['low'])} to {format_usd(cost['high'])})"
