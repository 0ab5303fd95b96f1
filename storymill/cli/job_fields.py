"""The fields of a fine-tuning job in words: what `fine-tunes show` prints. Knows no terminal."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from storymill.cli.words import (
    count_of,
    describe_reason,
    describe_state,
    describe_step,
    format_moment,
    format_seconds,
    format_usd,
    list_of,
)

Json = dict[str, Any]

SAME: Final = str
"""A field that is shown as it is."""
PREFERENCE: Final = "dpo"
DONE: Final = "done"
"""The step of a job that is over."""


def describe_job(job: Json) -> Iterator[tuple[str, str]]:
    """Yield each field that says something, by its name for people."""
    yield "id", job["id"]
    for name, (title, describe) in FIELDS.items():
        value = job.get(name)
        text = "" if value in (None, [], {}) else describe(value)
        if text:
            yield title, text
    if job.get("error"):
        yield "error", describe_error(job["error"])


def describe_method(method: Json) -> str:
    """Return `supervised: 3 epochs, batch size auto, …`; what the method does not have is left out."""
    kind = method["type"]
    given = ((method.get(kind) or {}).get("hyperparameters") or {}).items()
    parts = [
        describe_hyperparameter(name, value)
        for name, value in given
        if value is not None and (name != "beta" or kind == PREFERENCE)
    ]
    return f"{kind}: {', '.join(parts)}" if parts else str(kind)


def describe_hyperparameter(name: str, value: object) -> str:
    """Return `3 epochs`, `learning rate multiplier 0.2`."""
    if name == "n_epochs":
        return count_of(value, "epoch") if isinstance(value, int) else f"epochs {value}"
    return f"{name.replace('_', ' ')} {value}"


def describe_replay(replay: Json) -> str:
    """Return how much of the ancestors' rows is mixed in, and how many rows that came to."""
    taken = replay.get("replayed_rows") or {}
    rows = [f"{count_of(count, 'row')} of {model}" for model, count in taken.items()]
    return f"{replay['share']:.0%} of the ancestors' rows" + (f" ({list_of(rows)})" if rows else "")


def describe_estimate(estimate: Json) -> str:
    """Return tokens, cost and time as they were expected."""
    parts = [f"{estimate['billed_tokens']:,} tokens in {count_of(estimate['epochs'], 'epoch')}"]
    parts.append(format_usd(estimate.get("usd")))
    if estimate.get("seconds") is not None:
        parts.append(f"about {format_seconds(estimate['seconds'])}")
    return " · ".join(parts)


def describe_error(error: Json) -> str:
    """Return why it failed, with the code for programs."""
    code = f" ({error['code']})" if error.get("code") else ""
    return f"{error.get('message') or 'no reason was told'}{code}"


def describe_running_step(step: str) -> str:
    """Return what a job is at; nothing once it is over."""
    return "" if step == DONE else describe_step(step)


def describe_pairs(values: Json) -> str:
    """Return what a client noted on the job."""
    return ", ".join(f"{name}: {value}" for name, value in values.items())


FIELDS: Final[dict[str, tuple[str, Callable[[Any], str]]]] = {
    "status": ("status", describe_state),
    "status_reason": ("because", describe_reason),
    "step": ("at", describe_running_step),
    "model": ("from", SAME),
    "base_model": ("base model", SAME),
    "parent_model": ("parent", SAME),
    "fine_tuned_model": ("model", SAME),
    "provider": ("provider", SAME),
    "training_file": ("training file", SAME),
    "validation_file": ("validation file", SAME),
    "dataset_version": ("dataset version", SAME),
    "method": ("method", describe_method),
    "seed": ("seed", SAME),
    "replay": ("replay", describe_replay),
    "metadata": ("metadata", describe_pairs),
    "trained_tokens": ("trained tokens", lambda count: f"{count:,}"),
    "estimate": ("estimate", describe_estimate),
    "budget_usd": ("budget", format_usd),
    "cost_usd": ("cost", format_usd),
    "result_files": ("result files", ", ".join),
    "created_at": ("created", format_moment),
    "estimated_finish": ("expected end", format_moment),
    "finished_at": ("finished", format_moment),
}
