"""The commands whose screens are kept, and views of what is under way; ids are those of the file of answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from storymill.cli.lifecycle import print_addresses, print_report
from storymill.cli.mill_display import MillDisplay
from storymill.cli.progress import RunView, describe_rate, done_rows
from storymill.cli.terminal import console
from storymill.cli.tuning_view import TuningView
from storymill.client.rest import Api
from storymill.client.tuning import JobFollower
from storymill.launcher.snapshot import MillSnapshot, ProcessIdentity, ProcessStatus
from storymill.launcher.status_report import ProcessReport, StatusReport

NOW: Final = 1_793_362_043.0
"""The moment at which every command is typed: after all that the answers tell."""
RUN: Final = "gen_01a2000396e727435b4577d0ab3f4003"
STORY: Final = "story_01a2001096e727435b4577d0ab3f4010"
DATASET: Final = "ds_01a2002096e727435b4577d0ab3f4020"
"""One in which much was found; the other was just prepared."""
PREPARED: Final = "ds_01a2002196e727435b4577d0ab3f4021"
JOB: Final = "ftjob-01a2004196e727435b4577d0ab3f4041"
RUNNING_JOB: Final = "ftjob-01a2004196e727435b4577d0ab5eed04"
PAUSED_JOB: Final = "ftjob-01a2004196e727435b4577d0ab5eed06"
HELD_RUN: Final = "gen_01a2000396e727435b4577d0ab5eed01"
OPEN_DATASET: Final = "ds_01a2002196e727435b4577d0ab5eed02"
MODEL: Final = "ft:gemma-3-270m:storymill:ultraman:7d1e09c4"
OLD_MODEL: Final = "ft:gemma-3-270m:storymill:ultraman:3fbfba7c"
BATCH: Final = "batch_01a2005096e727435b4577d0ab3f4050"
OPEN_BATCH: Final = "batch_01a2005196e727435b4577d0ab5eed07"
BASE_URL: Final = "http://127.0.0.1:8000"
STREAMING_URL: Final = "http://127.0.0.1:8001"

TUNING: Final = ("--epochs", "1", "--batch-size", "1", "--learning-rate-multiplier", "0.2", "--replay", "0.2")
ELSEWHERE: Final = ("--against", "gpt-4.1-mini", "--against-provider", "openai")
COMMANDS: Final[tuple[tuple[str, ...], ...]] = (
    ("recipes", "add", "data/recipes/ultraman.json"),
    ("recipes", "list"),
    ("recipes", "show", "ultraman"),
    ("recipes", "delete", "ultraman"),
    ("generate", "ultraman", "--limit", "12", "--repeats", "1", "--export", "stories.csv"),
    ("generations", "list"),
    ("generations", "show", RUN),
    ("generations", "watch", RUN),
    ("generations", "pause", RUN),
    ("generations", "resume", RUN),
    ("generations", "cancel", RUN),
    ("generations", "retry", HELD_RUN),
    ("generations", "update", HELD_RUN, "--max-tokens", "400"),
    ("generations", "export", RUN, "stories.csv"),
    ("generations", "delete", RUN),
    ("stories", "list", "--limit", "5"),
    ("stories", "show", STORY),
    ("stories", "review", STORY, "accepted"),
    ("datasets", "prepare", "stories.csv"),
    ("datasets", "prepare", RUN),
    ("datasets", "list"),
    ("datasets", "show", DATASET),
    ("datasets", "report", DATASET, "--page", "report.html"),
    ("datasets", "export", DATASET, "train.jsonl"),
    ("datasets", "cancel", OPEN_DATASET),
    ("datasets", "delete", DATASET),
    ("fine-tune", PREPARED, "--model", "ultraman@prod", "--suffix", "ultraman", *TUNING),
    ("fine-tunes", "list"),
    ("fine-tunes", "show", JOB),
    ("fine-tunes", "show", PAUSED_JOB),
    ("fine-tunes", "events", JOB),
    ("fine-tunes", "results", JOB, "--plot"),
    ("fine-tunes", "results", JOB),
    ("fine-tunes", "watch", JOB),
    ("fine-tunes", "retry", JOB),
    ("fine-tunes", "clone", JOB, "--epochs", "2"),
    ("fine-tunes", "cancel", RUNNING_JOB),
    ("fine-tunes", "pause", RUNNING_JOB),
    ("fine-tunes", "resume", PAUSED_JOB),
    ("models", "list", "--tuned"),
    ("models", "show", "text-davinci-003"),
    ("models", "show", "ultraman@prod"),
    ("models", "promote", "ultraman@prod", JOB),
    ("models", "rollback", "ultraman@prod"),
    ("models", "aliases"),
    ("models", "tree", "ultraman@prod"),
    ("models", "forgetting", "ultraman@prod"),
    ("models", "compare", MODEL, OLD_MODEL, "--generation", RUN, "--judge", "gpt-4.1-mini"),
    ("models", "add", "corp/storyteller", "--no-probe"),
    ("models", "delete", OLD_MODEL, "--yes"),
    ("stream", "秦,龙卷风,辛苦", "--model", "ultraman@prod"),
    ("usage", "--by", "kind,model"),
    ("usage",),
    ("roi", "ultraman@prod", *ELSEWHERE, "--base-prompt", "150", "--completion", "640"),
    ("prices", "show", "gpt-4.1-mini", "--provider", "openai"),
    ("prices", "compare", "davinci-ft", "text-davinci-003", "--provider", "openai", "--on", "2023-04-04"),
    ("prices", "list", "curie"),
    ("providers", "list"),
    ("providers", "show", "engine"),
    ("providers", "test", "engine", "--yes"),
    ("providers", "test", "corp", "--yes"),
    ("limits",),
    ("batches", "create", "file-50a9xQ2mVtK4"),
    ("batches", "list"),
    ("batches", "show", OPEN_BATCH),
    ("batches", "watch", BATCH, "--output", "answers.jsonl"),
    ("batches", "watch", BATCH),
    ("batches", "cancel", OPEN_BATCH),
    ("models", "show", "nobody"),
)


def show_start() -> None:
    """Draw a mill that starts, and then is ready."""
    engine = ProcessStatus(name="engine", state="starting", message="converting weights", progress=0.4)
    processes = [
        ProcessStatus(name="postgres", state="ready", port=5433),
        ProcessStatus(name="redis", state="ready", port=6380),
        engine,
        ProcessStatus(name="gateway", state="waiting"),
    ]
    snapshot = MillSnapshot(
        phase="starting",
        supervisor=ProcessIdentity(pid=1, created_at=NOW),
        gateway_url=BASE_URL,
        streaming_url=STREAMING_URL,
        processes=processes,
    )
    ready = [one.model_copy(update={"state": "ready", "progress": None, "message": ""}) for one in processes]
    with MillDisplay(console) as display:
        display.show(snapshot)
        display.show(snapshot.model_copy(update={"phase": "ready", "processes": ready}))
    print_addresses(snapshot, Path("/srv/mill/.storymill"), 41, detached=True)


def show_status() -> None:
    """Print how a mill's processes stand, one of which was started again."""
    names = (
        "postgres",
        "redis",
        "migrations",
        "engine",
        "worker",
        "worker-interactive",
        "beat",
        "streaming",
        "gateway",
    )
    rows = [
        ProcessReport(
            name=name,
            state="ready",
            pid=4100 + place,
            port=None if name == "beat" else 8000 + place,
            uptime_seconds=83.0 + place,
            memory_mb=61.5 * (place + 1),
            restarts=0,
            message="",
        )
        for place, name in enumerate(names)
    ]
    crashed = {"state": "restarting", "pid": None, "restarts": 3, "message": "exit 1: the disk is full"}
    once = {"state": "done", "pid": None, "port": None, "uptime_seconds": None, "memory_mb": None}
    rows[2] = rows[2].model_copy(update=once)
    rows[4] = rows[4].model_copy(update=crashed)
    report = StatusReport(
        running=True,
        is_ready=False,
        phase="ready",
        gateway_url=BASE_URL,
        streaming_url=STREAMING_URL,
        processes=rows,
    )
    print_report(report, Path("/srv/mill/.storymill"))


def show_run(api: Api) -> None:
    """Draw a run in its middle, which its budget holds."""
    whole = api.get(f"/generations/{RUN}")
    counts = {**whole["counts"], "succeeded": 3, "running": 4, "queued": 5, "failed": 0}
    run: dict[str, Any] = {**whole, "counts": counts, "cost_usd": 0.0123456, "limited_by": "requests_per_minute"}
    with RunView(console) as view:
        view.show(done_rows(run), counts["total"], describe_rate(run, 0.42), run["limited_by"])


def show_job(api: Api) -> None:
    """Draw a job in its middle."""
    follower = JobFollower(api, RUNNING_JOB)
    with TuningView(console) as view:
        view.show(follower, follower.refresh())


STILLS: Final[dict[str, Callable[[Api], None]]] = {
    "storymill up": lambda _: show_start(),
    "storymill status": lambda _: show_status(),
    "storymill generate (under way)": show_run,
    "storymill fine-tune (under way)": show_job,
}
