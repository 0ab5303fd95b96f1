"""The live view of a generation: how far, how fast, what it costs, what holds it back."""

import time
from collections import deque
from typing import Any

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from storymill.cli.live_view import LiveView
from storymill.cli.patience import Patience
from storymill.cli.run_details import RunDetails
from storymill.cli.terminal import say
from storymill.cli.words import describe_limit, describe_state, format_seconds, format_usd
from storymill.client.rest import Api
from storymill.client.statuses import DATASET_FINAL, GENERATION_FINAL

POLL_SECONDS = 0.5
RATE_WINDOW_SECONDS = 20.0
WAITING_FOR_THE_MODEL = "upstream_latency"
"""Says nothing while the first stories are being written: they always are waited for."""
TOLD_AT_ONCE = {"provider_down", "budget"}
"""What may hold a run up for hours: without a terminal it is a line of its own."""
SEPARATOR = " · "
LINES_PER_RUN = 10
"""Without a terminal, so many lines tell the progress of a whole run."""


class RecentRate:
    """Rows per second over the last seconds, from counts that only grow."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, now: float, done: int) -> float:
        """Take a count and return the rate per second, 0 while unknown."""
        self._seen.append((now, done))
        while now - self._seen[0][0] > RATE_WINDOW_SECONDS:
            self._seen.popleft()
        (then, before) = self._seen[0]
        return (done - before) / (now - then) if now > then else 0.0


def done_rows(generation: dict[str, Any]) -> int:
    """Return how many stories of a generation have ended, well or not."""
    counts = generation["counts"]
    return int(counts["succeeded"] + counts["failed"] + counts["rejected"])


def describe_rate(generation: dict[str, Any], rate: float) -> str:
    """Return rate, tokens, cost, ETA and the present limit as one short line."""
    counts, usage = generation["counts"], generation["usage"]
    left = counts["total"] - done_rows(generation)
    tokens = usage["prompt_tokens"] + usage["completion_tokens"]
    if not done_rows(generation) and not tokens and counts["running"] == 0:
        return "starting"
    if rate > 0 or (left and done_rows(generation)):
        parts = [f"{rate:.1f} stories/s"]
    else:
        parts = ["the first stories are being written"] if left else []
    parts += [f"{tokens:,} tokens"] if tokens else []
    parts.append(f"{counts['running']} in flight")
    if rate > 0 and left:
        parts.append(f"{format_seconds(left / rate)} left")
    if counts["failed"]:
        parts.append(f"[red]{counts['failed']} failed[/red]")
    if generation.get("cost_usd"):
        parts.append(describe_spending(generation))
    limited_by = generation.get("limited_by")
    if limited_by is not None and (rate > 0 or limited_by != WAITING_FOR_THE_MODEL):
        parts.append(describe_limit(limited_by))
    return SEPARATOR.join(parts)


def describe_spending(generation: dict[str, Any]) -> str:
    """Return what a run has cost, what it will have cost at this price a story, and its cap."""
    spent, done, total = float(generation["cost_usd"]), done_rows(generation), generation["counts"]["total"]
    said = format_usd(spent)
    if generation.get("cost_known", True) and 0 < done < total:
        said += f" of about {format_usd(spent / done * total)}"
    return said + (f", at most {format_usd(generation['budget_usd'])}" if generation.get("budget_usd") else "")


class RunView(LiveView):
    """How a run goes: a bar with its count, and below it what there is to say; lines where there is no terminal. Use as
    a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        columns = (TextColumn("[bold]stories"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("stories", total=None)
        self._told = 0
        self._told_limit: str | None = None

    def show(self, done: int, total: int, note: str, limited_by: str | None) -> None:
        """Show where the run stands, and what holds it up."""
        if self._live is not None:
            self._bar.update(self._task, total=total, completed=done)
            self._live.update(Group(self._bar, Text.from_markup(note, style="dim")), refresh=True)
        elif done - self._told >= max(1, total // LINES_PER_RUN):
            self._told = done
            say(Text.from_markup(f"{done}/{total} stories · {note}"), to=self._console)
        elif limited_by != self._told_limit and limited_by in TOLD_AT_ONCE:
            say(f"{done}/{total} stories · {describe_limit(limited_by)}", to=self._console)
        self._told_limit = limited_by


def follow_generation(api: Api, generation_id: str, patience: Patience) -> dict[str, Any]:
    """Show the progress of a generation until it ends or pauses; returns its last state."""
    meter, details = RecentRate(), RunDetails(api, generation_id)
    with RunView(patience.console) as view:
        while True:
            generation = patience.ask(lambda: api.get(f"/generations/{generation_id}"))
            done = done_rows(generation)
            note = describe_rate(generation, meter.update(time.monotonic(), done))
            note = SEPARATOR.join([note, *details.look(generation)])
            view.show(done, generation["counts"]["total"], note, generation.get("limited_by"))
            if generation["status"] in GENERATION_FINAL or generation["status"] == "paused":
                return generation
            patience.pause(POLL_SECONDS)


def follow_dataset(api: Api, dataset_id: str, patience: Patience) -> dict[str, Any]:
    """Show that a dataset is being prepared until it is over; returns its last state."""
    with patience.console.status(f"{dataset_id}: queued") as status:
        while True:
            dataset = patience.ask(lambda: api.get(f"/datasets/{dataset_id}"))
            if dataset["status"] in DATASET_FINAL:
                return dataset
            status.update(f"{dataset_id}: {describe_state(dataset['status'])}")
            patience.pause(POLL_SECONDS)
