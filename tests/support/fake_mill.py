"""Run the real supervisor on a plan of fake services, in a process of its own that tests may kill."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from storymill.cli.mill_display import MillDisplay
from storymill.launcher.leftovers import end_leftovers
from storymill.launcher.plan import StartPlan, Step
from storymill.launcher.ports import find_free_port
from storymill.launcher.probes import probe_http
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.state_dir import StateDir, lock_state_dir, open_state_dir
from storymill.launcher.supervisor import Supervisor

FAKE_SERVICE = Path(__file__).with_name("fake_service.py")


def build_spec(state: StateDir, journal: Path, member: dict[str, Any]) -> ProcessSpec:
    """Turn `{"name", "arguments"?, "grace"?, "frozen"?}` into a process."""
    port = find_free_port()
    name = member["name"]
    command = [sys.executable, str(FAKE_SERVICE), "--name", name, "--port", str(port), "--journal", str(journal)]
    return ProcessSpec(
        name=name,
        command=[*command, *member.get("arguments", [])],
        probe=probe_http(f"http://127.0.0.1:{port}/readyz"),
        log_file=state.log_file(name),
        port=port,
        stop_grace_seconds=member.get("grace", 5.0),
        frozen_seconds=member.get("frozen", 20.0),
    )


def build_plan(state: StateDir, journal: Path, layout: dict[str, Any]) -> StartPlan:
    """Lay out `{"stores": [[member]], "services": [[member]]}` with one step between them."""

    async def note_step() -> None:
        with journal.open("a") as file:
            file.write("step migrations\n")

    def build_groups(key: str) -> list[list[ProcessSpec]]:
        return [[build_spec(state, journal, member) for member in group] for group in layout.get(key, [])]

    return StartPlan(
        gateway_url="http://127.0.0.1:1",
        streaming_url="http://127.0.0.1:2",
        stores=build_groups("stores"),
        steps=[Step("migrations", note_step)],
        services=build_groups("services"),
    )


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--layout", type=json.loads, required=True)
    options = parser.parse_args()
    state = open_state_dir(options.state_dir)
    with lock_state_dir(state), MillDisplay(Console()) as display:
        end_leftovers(state, grace_seconds=1)
        plan = build_plan(state, options.journal, options.layout)

        async def supervise() -> None:
            await Supervisor(plan, state, display.show).run()

        asyncio.run(supervise())


if __name__ == "__main__":
    main()
