"""Show a fine-tuning job as it goes: bar, time left, cost, curves and last events on a terminal, plain lines
elsewhere."""

import time
from collections import deque
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storymill.cli.live_view import LiveView
from storymill.cli.terminal import say
from storymill.cli.tuning_curve import draw_curve
from storymill.cli.tuning_series import collect_series
from storymill.cli.words import (
    describe_reason,
    describe_state,
    describe_step,
    format_moment,
    format_seconds,
    format_usd,
)
from storymill.client.tuning import JobFollower

Json = dict[str, Any]

BAR_WIDTH, FEWEST_BAR_CELLS = 30, 8
CURVE_HEIGHT = 14
WIDEST_CURVE = 100
EVENTS_SHOWN = 4
LINES_PER_JOB = 10
"""Without a terminal, so many lines tell the progress of a whole job."""
LEVEL_STYLES = {"warn": "yellow", "error": "red"}
STATUS_STYLES = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "paused": "yellow"}


class TuningView(LiveView):
    """Feed it a follower after each refresh, with the new events. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._events: deque[Json] = deque(maxlen=EVENTS_SHOWN)
        self._told_step = 0

    def show(self, follower: JobFollower, events: list[Json]) -> None:
        """Show where the job stands."""
        told = [event for event in events if event["type"] == "message"]
        self._events.extend(told)
        if self._live is not None:
            width = min(WIDEST_CURVE, self._console.width)
            self._live.update(render_job(follower, list(self._events), width), refresh=True)
            return
        for event in told:
            say(render_event(event), to=self._console)
        self._tell_step(follower)

    def _tell_step(self, follower: JobFollower) -> None:
        total = follower.total_steps or 0
        if follower.step - self._told_step >= max(1, total // LINES_PER_JOB):
            self._told_step = follower.step
            say(f"{describe_progress(follower)}  {describe_last_step(follower)}", to=self._console)


def render_job(follower: JobFollower, events: list[Json], width: int) -> RenderableType:
    """Draw the whole view."""
    lines = [render_event(event) for event in events]
    curve = draw_curve(collect_series(follower.metrics), width, CURVE_HEIGHT)
    return Group(render_title(follower.job), render_bar(follower, width), curve, *lines)


def render_title(job: Json) -> Text:
    """Return which job this is and what it is doing."""
    status = job["status"]
    title = Text(job["id"], style="bold", no_wrap=True, overflow="ellipsis")
    title.append(f"  {describe_state(status)}", style=STATUS_STYLES.get(status, "cyan"))
    if status == "running" and job.get("step") not in {None, "follow", "done"}:
        title.append(f" ({describe_step(job['step'])})", style="dim")
    if status == "paused" and job.get("status_reason"):
        title.append(f" ({describe_reason(job['status_reason'])})", style="dim")
    title.append(f"  {job.get('model', '')}")  # last: where the line is cut, the model is what is lost
    return title


def render_bar(follower: JobFollower, width: int) -> RenderableType:
    """Draw how far it is: the bar takes the room that the words leave, or a line of its own."""
    told = Text(describe_progress(follower))
    room = width - told.cell_len - 1
    bar_width = min(BAR_WIDTH, room if room >= FEWEST_BAR_CELLS else width)
    bar = ProgressBar(total=follower.total_steps or 1, completed=follower.step, width=bar_width)
    if room < FEWEST_BAR_CELLS:
        return Group(bar, told)
    line = Table.grid(padding=(0, 1))
    line.add_row(bar, told)
    return line


def describe_progress(follower: JobFollower) -> str:
    """Return step, elapsed time, time left and cost as one short line."""
    job = follower.job
    total = follower.total_steps
    parts = [f"step {follower.step}/{total}" if total else f"step {follower.step}"]
    parts.append(f"{format_seconds(read_elapsed_seconds(job))} elapsed")
    left_seconds = estimate_seconds_left(job)
    if left_seconds is not None:
        parts.append(f"{format_seconds(left_seconds)} left")
    parts.append(describe_job_cost(job))
    return " · ".join(parts)


def describe_last_step(follower: JobFollower) -> str:
    """Return the newest values of the curves."""
    series = collect_series(follower.metrics)
    return ", ".join(f"{one.name} {one.smooth().values[-1]:.3f}" for one in series)


def describe_job_cost(job: Json) -> str:
    """Return what the job cost so far, what it may cost, or that nobody knows."""
    cost, estimate = job.get("cost_usd"), (job.get("estimate") or {}).get("usd")
    if cost is None and estimate is not None:
        return f"about {format_usd(float(estimate))} in all"
    return format_usd(cost) if cost is not None else "cost unknown"


def read_elapsed_seconds(job: Json) -> float:
    """Return how long ago the job was made, or how long it took."""
    created_at = job.get("created_at")
    if created_at is None:
        return 0.0
    return max(0.0, float(job.get("finished_at") or time.time()) - float(created_at))


def estimate_seconds_left(job: Json) -> float | None:
    """Return the time to the estimated end, None where there is none."""
    finish = job.get("estimated_finish")
    if finish is None or job["status"] != "running":
        return None
    return max(0.0, float(finish) - time.time())


def render_event(event: Json) -> Text:
    """Return an event as `[2023-04-04 10:51:51] Created fine-tune`, in local time as the legacy client did."""
    line = Text(f"[{format_moment(event['created_at'])}] ", style="dim")
    return line.append(event["message"], style=LEVEL_STYLES.get(event["level"], "default"))
