"""How commands say things: money, counts, times, states, what holds a run up. One way each, for every command.

Money that was not spent is `$0`, money that nobody knows is `unknown`, the rest has the figures that count."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from storymill.client.statuses import FINE_TUNING_FINAL

UNIT_NAMES: Final = {
    "input": "input, per million tokens",
    "cached_input": "cached input, per million tokens",
    "output": "output, per million tokens",
    "training_token": "training, per million tokens",
    "training_hour": "training, per hour",
    "hosting_hour": "hosting, per hour",
}
SHORT_UNITS: Final = {
    "cached_input": "cached input",
    "training_token": "training",
    "training_hour": "training by the hour",
    "hosting_hour": "hosting by the hour",
}
PLURALS: Final = {"story": "stories", "try": "tries", "leftover process": "leftover processes"}
LIMITS: Final = {
    "requests_per_minute": "held by the limit of requests per minute",
    "tokens_per_minute": "held by the limit of tokens per minute",
    "concurrency": "held by the limit of calls at a time",
    "budget": "held by the budget",
    "upstream_latency": "waiting for the model",
    "upstream_refusals": "held back: the provider asks to slow down",
    "retry_delay": "waiting before trying again",
    "database": "waiting for the database",
    "provider_down": "waiting: the provider does not answer",
}
STATES: Final = {
    "validating_files": "checking files",
    "validating": "checking the file",
    "in_progress": "in progress",
    "finalizing": "writing the answers",
    "cancelling": "being cancelled",
}
STEPS: Final = {
    "upload": "checking and sending its files",
    "create": "making the training",
    "follow": "training",
    "results": "fetching its results",
    "register": "recording its model",
    "give_up": "giving up its training",
}
"""Of a fine-tuning job that runs."""
REASONS: Final = {"budget": "the budget is reached", "requested": "as you asked", "pilot": "the pilot is written"}
WISHES: Final = {
    "pause": ("paused", "is being paused"),
    "resume": ("running", "goes on"),
    "cancel": ("cancelled", "is being cancelled"),
}
"""For each verb the state that it leads to, and what is true until then."""


def format_usd(amount: float | None) -> str:
    """Return dollars: cents for large amounts, four figures that count for small ones."""
    if amount is None:
        return "unknown"
    if amount == 0:
        return "$0"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size >= 1 or round(size, 2) == size:
        return f"{sign}${size:,.2f}"
    return f"{sign}${float(f'{size:.4g}'):.9f}".rstrip("0")


def describe_cost(amount: float | None) -> str:
    """Return what something cost, for the middle of a line."""
    return "cost unknown" if amount is None else f"cost {format_usd(amount)}"


def describe_units(units: dict[str, Any]) -> str:
    """Return prices on one line: `input $2 · output $8`."""
    return " · ".join(f"{SHORT_UNITS.get(unit, unit)} {format_usd(amount)}" for unit, amount in units.items())


def count_of(count: int, thing: str) -> str:
    """Return `1 epoch`, `2 epochs`, `1,000 stories`."""
    return f"{count:,} {thing if count == 1 else PLURALS.get(thing, thing + 's')}"


def list_of(names: Iterable[str], *, last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *most, end = names
    return f"{', '.join(most)} {last} {end}" if most else end


def format_seconds(seconds: float) -> str:
    """Return `1:05`, or `1:01:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_moment(seconds: float) -> str:
    """Return a moment in local time."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def format_day(seconds: float) -> str:
    """Return a day in local time."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d}"


def describe_step(step: str) -> str:
    """Return what a running job is at; a step that is newer than this command is shown as it is."""
    return STEPS.get(step, step.replace("_", " "))


def describe_limit(limited_by: str) -> str:
    """Return what holds a run up, in words; a cause that is newer than this command is shown as it is."""
    return LIMITS.get(limited_by, limited_by.replace("_", " "))


def describe_state(status: str) -> str:
    """Return a status as people say it."""
    return STATES.get(status, status)


def describe_reason(reason: str) -> str:
    """Return why a run or job is in its state: one word of the mill's, or a sentence."""
    return REASONS.get(reason, reason)


def describe_wish(verb: str, status: str) -> str:
    """Return what a job that was just told to pause, resume or cancel is or will be."""
    reached, until_then = WISHES[verb]
    if status == reached:
        return status
    over = status in FINE_TUNING_FINAL
    return describe_state(status) if over else until_then
