"""What an interactive text costs, beside a pass-through and LiteLLM's proxy in one run: `make bench-interactive`.

The whole mill has one core; the scripted provider and the clients have the other. CPU is that of each process, read
from /proc. First tokens are from the client's request to the token on its socket: the provider answers at once."""

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.interactive_clients import Seen, Target, chat_in_turn, chat_together
from benchmarks.interactive_processes import ProcessGroup, find_mill_processes, start_floor, start_litellm
from storymill.launcher.credentials import read_credentials
from tests.support.stack import PROJECT_ROOT
from tests.support.whole_mill import WholeMill

SERVER_CORE, CLIENT_CORE = 0, 1
TOKENS = 5
TOKENS_PER_SECOND = 50
CONNECTIONS = 4
IDLE_SECONDS = 30.0
LOAD_TOKENS = 400
WARM_CHATS = 40


@dataclass(frozen=True)
class Contestant:
    """Somebody who stands between clients and the provider."""

    name: str
    target: Target
    find_processes: Callable[[], Sequence[ProcessGroup]]


@dataclass
class Report:
    """What was measured of one contestant, by measure."""

    name: str
    lines: dict[str, str] = field(default_factory=dict)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let what is started inside, and all that it starts, run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def percentiles(values: Sequence[float]) -> str:
    """Return p50 and p99 in milliseconds."""
    cuts = statistics.quantiles([value * 1000 for value in values], n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f}"


def require_whole(seen: Seen) -> Seen:
    """Return what was seen. Raises: AssertionError when a chat was cut short."""
    assert not seen.failures, f"{len(seen.failures)} chats failed; the first: {seen.failures[0]}"
    return seen


class Meter:
    """CPU of groups of processes since it was made, in seconds."""

    def __init__(self, groups: Sequence[ProcessGroup]) -> None:
        self._groups = groups
        self._before = {group.name: group.cpu_seconds() for group in groups}

    def read(self) -> dict[str, float]:
        """Return what each group has used since, the greatest first."""
        used = {group.name: group.cpu_seconds() - self._before[group.name] for group in self._groups}
        return dict(sorted(used.items(), key=lambda item: -item[1]))


def describe_parts(used: dict[str, float], unit: float, least: float) -> str:
    """Return the sum of some figures and, in brackets, the parts that matter."""
    total = sum(used.values()) * unit
    parts = ", ".join(f"{name} {value * unit:.1f}" for name, value in used.items() if value * unit >= least)
    return f"{total:.2f} ({parts})" if len(used) > 1 else f"{total:.2f}"


async def measure_idle(contestant: Contestant, seconds: float, report: Report) -> None:
    """Note what it costs to do nothing."""
    groups = contestant.find_processes()
    meter = Meter(groups)
    await asyncio.sleep(seconds)
    report.lines["idle CPU, % of a core"] = describe_parts(meter.read(), 100 / seconds, 0.1)
    rss, pss = (sum(group.memory_bytes(kind) for group in groups) / 2**20 for kind in ("rss", "pss"))
    report.lines["idle memory, MiB: RSS / PSS"] = f"{rss:.0f} / {pss:.0f}"


async def measure_chats(contestant: Contestant, chats: int, report: Report) -> None:
    """Note CPU a chat, and first tokens of one stream at a time."""
    await chat_in_turn(contestant.target, WARM_CHATS, CONNECTIONS, TOKENS, TOKENS_PER_SECOND)
    meter = Meter(contestant.find_processes())
    require_whole(await chat_in_turn(contestant.target, chats, CONNECTIONS, TOKENS, TOKENS_PER_SECOND))
    report.lines[f"CPU a chat of {TOKENS} tokens, ms"] = describe_parts(meter.read(), 1000 / chats, 0.1)
    seen = require_whole(await chat_in_turn(contestant.target, max(chats // 4, 50), 1, TOKENS, TOKENS_PER_SECOND))
    report.lines["first token, 1 stream, ms: p50 / p99"] = percentiles(seen.firsts)


async def measure_load(contestant: Contestant, streams: int, within_seconds: float, report: Report) -> None:
    """Note first tokens, delays and the wall clock of many streams at once."""
    meter = Meter(contestant.find_processes())
    seen = require_whole(
        await chat_together(contestant.target, streams, LOAD_TOKENS, TOKENS_PER_SECOND, within_seconds=within_seconds)
    )
    wall = max(seen.lengths)
    title = f"{streams} streams × {LOAD_TOKENS} tokens at {TOKENS_PER_SECOND}/s"
    report.lines[f"{title}: first token, ms: p50 / p99"] = percentiles(seen.firsts)
    report.lines[f"{title}: later tokens, ms: p50 / p99"] = percentiles(seen.ages)
    report.lines[f"{title}: longest, s (text: {LOAD_TOKENS / TOKENS_PER_SECOND:.0f})"] = f"{wall:.1f}"
    report.lines[f"{title}: CPU a token, µs"] = describe_parts(meter.read(), 1e6 / streams / LOAD_TOKENS, 3)


async def measure(contestant: Contestant, arguments: argparse.Namespace) -> Report:
    """Measure one contestant."""
    report = Report(contestant.name)
    print(f"measuring {contestant.name} ...", file=sys.stderr)
    await measure_chats(contestant, arguments.chats, report)
    for streams in arguments.streams:
        await asyncio.sleep(1)
        await measure_load(contestant, streams, 2.0, report)
    await asyncio.sleep(5)
    await measure_idle(contestant, arguments.idle_seconds, report)
    return report


def start_upstream(stack: ExitStack) -> str:
    """Start the scripted provider; return its base URL."""
    command = [sys.executable, "-m", "benchmarks.interactive_upstream"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT)
    stack.callback(process.kill)
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def running_mill(upstream: str, folder: Path) -> Iterator[Contestant]:
    """Run a whole mill before the provider."""
    mill = WholeMill(folder, arguments=("--upstream", upstream))
    with on_core(SERVER_CORE):
        mill.start()
    try:
        credentials = read_credentials(folder)
        target = Target(credentials.base_url, credentials.api_key)
        yield Contestant("storymill", target, lambda: find_mill_processes(folder))
    finally:
        mill.stop()


@contextmanager
def running_peer(name: str, start: Callable[[str, ExitStack], tuple[str, int]], upstream: str) -> Iterator[Contestant]:
    """Run a peer before the provider."""
    with ExitStack() as stack:
        with on_core(SERVER_CORE):
            url, pid = start(upstream, stack)
        yield Contestant(name, Target(url, "sk-bench"), lambda: [ProcessGroup(name, [psutil.Process(pid)])])


def print_table(reports: Sequence[Report]) -> None:
    """Print measures as rows and contestants as columns, in Markdown."""
    print(f"| measure | {' | '.join(report.name for report in reports)} |")
    print("|---" * (len(reports) + 1) + "|")
    for measure_name in reports[0].lines if reports else ():
        print(f"| {measure_name} | {' | '.join(report.lines.get(measure_name, '') for report in reports)} |")


def main() -> None:
    """Measure everybody in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=400, help="for the CPU of one")
    parser.add_argument("--streams", type=int, nargs="*", default=[50, 100, 200], help="at once; none leaves it out")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    parser.add_argument("--peers", nargs="*", choices=["floor", "litellm"], default=["floor"], help="beside the mill")
    arguments = parser.parse_args()
    load = psutil.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.2f} before the run\n")
    peers = {"floor": ("pass-through", start_floor), "litellm": ("LiteLLM proxy", start_litellm)}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        stack.enter_context(on_core(CLIENT_CORE))
        upstream = start_upstream(stack)
        contestants = [running_mill(upstream, Path(folder) / "mill")]
        contestants += [running_peer(*peers[peer], upstream) for peer in arguments.peers]
        reports = []
        try:
            for contestant in contestants:
                with contestant as running:
                    reports.append(asyncio.run(measure(running, arguments)))
        finally:  # a peer that does not start must not cost what was measured
            print_table(reports)


if __name__ == "__main__":
    main()
