"""`storymill up`, `status`, `down`: the mill on this machine."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from storymill.cli.mill_display import MillDisplay
from storymill.cli.next_steps import START
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import count_of
from storymill.launcher.detached import start_detached, stop_running
from storymill.launcher.errors import AlreadyRunningError, NotRunningError
from storymill.launcher.foreground import run_mill
from storymill.launcher.leftovers import end_leftovers
from storymill.launcher.options import DEFAULT_GATEWAY_PORT, DEFAULT_STREAMING_PORT, UpOptions
from storymill.launcher.snapshot import MillSnapshot, find_running
from storymill.launcher.state_dir import find_state_dir, lock_state_dir
from storymill.launcher.status_report import StatusReport, make_report

GatewayPortOption = Annotated[
    int, typer.Option(min=0, max=65535, envvar="STORYMILL_GATEWAY_PORT", help="0 takes a free port.")
]
StreamingPortOption = Annotated[
    int, typer.Option(min=0, max=65535, envvar="STORYMILL_STREAMING_PORT", help="0 takes a free port.")
]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Number of generation workers.")]
UpstreamOption = Annotated[
    str | None,
    typer.Option(
        envvar="STORYMILL_UPSTREAM_URL",
        help="An OpenAI-compatible server instead of the engine; its key from OPENAI_API_KEY.",
    ),
]
NoEngineOption = Annotated[bool, typer.Option("--no-engine", help="Start no model server.")]
ModelOption = Annotated[
    str | None, typer.Option(help="A model's folder or hub id as the engine's base, for this run only.")
]
DetachOption = Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is ready.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(up)
    app.command(hidden=True)(supervise)
    app.command()(status)
    app.command()(down)


def up(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    gateway_port: GatewayPortOption = DEFAULT_GATEWAY_PORT,
    streaming_port: StreamingPortOption = DEFAULT_STREAMING_PORT,
    workers: WorkersOption = 1,
    upstream: UpstreamOption = None,
    no_engine: NoEngineOption = False,
    model: ModelOption = None,
    detach: DetachOption = False,
) -> None:
    """Start everything on this machine and print the addresses; Ctrl-C stops it."""
    options = UpOptions(
        state_dir=find_state_dir(state_dir).root,
        gateway_port=gateway_port,
        streaming_port=streaming_port,
        workers=workers,
        upstream=upstream,
        with_engine=not no_engine,
        model=find_model_source(model),
    )
    started_at = time.monotonic()
    is_announced = False
    with MillDisplay(console) as display:

        def show(snapshot: MillSnapshot) -> None:
            nonlocal is_announced
            display.show(snapshot)
            if snapshot.phase == "ready" and not is_announced:
                is_announced = True
                print_addresses(snapshot, options.state_dir, time.monotonic() - started_at, detached=detach)

        try:
            if detach:
                start_detached(options, show)
            else:
                run_mill(options, show)
        except AlreadyRunningError as error:
            raise AlreadyRunningError(describe_running(options.state_dir, str(error))) from error


def find_model_source(model: str | None) -> str | None:
    """Return a folder's whole path, since the engine starts elsewhere; a hub id stays as it is."""
    if model is not None and Path(model).expanduser().exists():
        return str(Path(model).expanduser().resolve())
    return model


def supervise(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    gateway_port: GatewayPortOption = DEFAULT_GATEWAY_PORT,
    streaming_port: StreamingPortOption = DEFAULT_STREAMING_PORT,
    workers: WorkersOption = 1,
    upstream: UpstreamOption = None,
    no_engine: NoEngineOption = False,
    model: ModelOption = None,
) -> None:
    """Run the mill for `up --detach`: the same without addresses; what it prints is the supervisor's log."""
    options = UpOptions(state_dir, gateway_port, streaming_port, workers, upstream, not no_engine, model)
    with MillDisplay(console) as display:
        run_mill(options, display.show)


def print_addresses(snapshot: MillSnapshot, state_dir: Path, seconds: float, *, detached: bool) -> None:
    """Say where the mill is and how to use it."""
    credentials_file = find_state_dir(state_dir).credentials_file
    read_key = f"import json; print(json.load(open('{credentials_file}'))['api_key'])"
    stop_hint = f"storymill down{name_state_dir(state_dir)}" if detached else "Ctrl-C"
    lines = [
        "",
        f"Storymill is ready after {seconds:.0f} s.",
        f"  gateway      {snapshot.gateway_url}   (docs: {snapshot.gateway_url}/docs)",
        f"  streaming    {snapshot.streaming_url}",
        f"  console      {snapshot.gateway_url}/console   (log in: storymill console{name_state_dir(state_dir)})",
        f"  credentials  {credentials_file}",
        "",
        "Use it from any OpenAI client:",
        f"  export OPENAI_BASE_URL={snapshot.gateway_url}/v1",
        f'  export OPENAI_API_KEY="$(python3 -c "{read_key}")"',
        "",
        f"Stop it with {stop_hint}.",
        "Next: storymill recipes add data/recipes/ultraman.json (or your own; docs/tour.md goes on from here)",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def name_state_dir(state_dir: Path) -> str:
    """Return the option that leads another command to this mill; nothing for the usual place."""
    return "" if state_dir == find_state_dir(DEFAULT_STATE_DIR).root else f" --state-dir {state_dir}"


def describe_running(state_dir: Path, text: str) -> str:
    """Add the addresses of the mill that runs."""
    running = find_running(find_state_dir(state_dir))
    if running is None:
        return text
    return (
        f"{text}\n  gateway    {running.gateway_url}\n  streaming  {running.streaming_url}\n"
        f"See `storymill status`, stop it with `storymill down`. Options and settings count at the next `storymill up`."
    )


def status(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the processes. Exit code 0 if everything is ready, else 1."""
    report = make_report(find_state_dir(state_dir))
    if as_json:
        typer.echo(json.dumps(report.model_dump(), indent=2))
    else:
        print_report(report, find_state_dir(state_dir).root)
    if not report.is_ready:
        raise typer.Exit(1)


def print_report(report: StatusReport, root: Path) -> None:
    """Print the report for people."""
    if not report.running:
        say(f"Storymill is not running in {root}.")
        if report.leftovers:
            pids = ", ".join(str(pid) for pid in report.leftovers)
            say(f"A killed launcher left processes behind: {pids}. `storymill down` ends them.")
        say_command(START[0], f"{START[1]}{name_state_dir(root)}")
        return
    numbers = ("pid", "port", "uptime", "memory", "restarts")
    columns = make_columns(
        *("process", "state", ("pid", 2), "port", ("uptime", 1), ("memory", 3), "restarts", ""), right=numbers
    )
    for row in report.processes:
        add_row(
            columns,
            row.name,
            row.state,
            str(row.pid or ""),
            str(row.port or ""),
            "" if row.uptime_seconds is None else f"{row.uptime_seconds:.0f} s",
            "" if row.memory_mb is None else f"{row.memory_mb:.0f} MB",
            str(row.restarts),
            row.message,
        )
    console.print(f"{report.phase}: {report.gateway_url} · {report.streaming_url}", highlight=False)
    print_list(columns)
    for problem in report.problems:
        console.print(problem, markup=False, highlight=False, soft_wrap=True)
    log = next((row.name for row in report.processes if row.state not in ("ready", "done")), "gateway")
    say_command("Read what one writes", f"storymill logs {log}{name_state_dir(root)}")


def down(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Stop everything; also what a killed launcher left behind."""
    state = find_state_dir(state_dir)
    with MillDisplay(console) as display:
        try:
            stop_running(state, display.show)
        except NotRunningError as error:
            count = 0
            if state.lock_file.exists():
                with lock_state_dir(state):
                    count = end_leftovers(state)
            say(f"{error}" + (f" Ended {count_of(count, 'leftover process')}." if count else ""))
            return
    console.print("Stopped.")
    say_command("Go on where it stood", f"{START[1]}{name_state_dir(state.root)}")
