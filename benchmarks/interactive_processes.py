"""The processes that the interactive benchmark watches, by what they do, and the peers that it starts."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from storymill.launcher.ports import find_free_port
from storymill.launcher.snapshot import find_running
from storymill.launcher.state_dir import find_state_dir
from tests.support.client_env import client_python
from tests.support.stack import PROJECT_ROOT, wait_until

START_SECONDS = 300.0


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that are one figure."""

    name: str
    roots: Sequence[psutil.Process]
    with_children: bool = True

    def find_processes(self) -> list[psutil.Process]:
        """Return all processes of the group that run now."""
        children = [child for root in self.roots for child in root.children(recursive=True)]
        return [*self.roots, *(children if self.with_children else [])]

    def cpu_seconds(self) -> float:
        """Return the CPU used so far, that of children that have ended included."""
        total = 0.0
        for process in self.find_processes():
            times = process.cpu_times()
            total += times.user + times.system + (times.children_user + times.children_system) * self.with_children
        return total

    def memory_bytes(self, kind: Literal["rss", "pss"]) -> int:
        """Return what the processes hold: each its own and all that it shares (rss), or shared pages once (pss)."""
        return sum(getattr(process.memory_full_info(), kind) for process in self.find_processes())


def find_mill_processes(folder: Path) -> list[ProcessGroup]:
    """Return the processes of a running mill."""
    snapshot = find_running(find_state_dir(folder))
    assert snapshot is not None, "the mill has stopped"
    groups = [ProcessGroup("launcher", [psutil.Process(snapshot.supervisor.pid)], with_children=False)]
    for status in snapshot.processes:
        if status.identity is not None:
            groups.append(ProcessGroup(status.name, [psutil.Process(status.identity.pid)]))
    return groups


def start_floor(upstream: str, stack: ExitStack) -> tuple[str, int]:
    """Start the pass-through; return its base URL and process id."""
    port = find_free_port()
    command = [sys.executable, "-m", "benchmarks.interactive_floor", upstream, str(port)]
    return start_server(command, port, stack)


def start_litellm(upstream: str, stack: ExitStack) -> tuple[str, int]:
    """Start LiteLLM's proxy with one worker and no database, in an environment of its own."""
    port, python = find_free_port(), client_python("litellm-proxy")
    command = [str(python.parent / "litellm"), "--model", "openai/bench-1", "--alias", "bench-1"]
    return start_server([*command, "--api_base", upstream, "--port", str(port), "--num_workers", "1"], port, stack)


def start_server(command: Sequence[str], port: int, stack: ExitStack) -> tuple[str, int]:
    """Start a server and wait until it answers; return its base URL and process id."""
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.kill)
    wait_until(lambda: answers(port), timeout_seconds=START_SECONDS, what=f"{command[0]} to answer")
    time.sleep(1)
    return f"http://127.0.0.1:{port}/v1", process.pid


def answers(port: int) -> bool:
    """Say whether somebody speaks HTTP on a port."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/")
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
