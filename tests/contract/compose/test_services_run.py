"""Each service of docker-compose.yml starts by its own command, passes its own health check and stops in time.

There is no Docker here: the commands run as local processes, with addresses and folders put in place of the
container's.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storymill.launcher.ports import find_free_port
from tests.contract.compose.compose_file import parse_seconds, read_app_services
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.tiny_model import build_tiny_model
from tests.support.usual import mark_unusual

SERVICES = read_app_services()
USUAL = ("gateway", "worker-batch")
CONTAINER_PORTS = ("8000", "8001", "8002", "9100")


@dataclass(frozen=True)
class LocalPlace:
    """What stands here for the container's addresses and folders."""

    replacements: dict[str, str]

    def translate(self, text: str) -> str:
        """Put this machine's names in place of the container's, in one pass: what was put in is not read again."""
        pattern = "|".join(re.escape(there) for there in self.replacements)
        return re.sub(pattern, lambda found: self.replacements[found[0]], text)

    def build_command(self, words: list[str]) -> list[str]:
        """Translate a command line; its Python is ours."""
        command = [self.translate(word) for word in words]
        return [sys.executable, *command[1:]] if command[0] == "python" else command

    def build_health_command(self, service: dict[str, Any]) -> list[str]:
        """Translate the two forms of a compose health check."""
        kind, *words = service["healthcheck"]["test"]
        return ["sh", "-c", self.translate(words[0])] if kind == "CMD-SHELL" else self.build_command(words)

    def build_environment(self, service: dict[str, Any]) -> dict[str, str]:
        """Translate the environment; nothing of ours but the path to programs gets in."""
        given = {name: self.translate(value) for name, value in service["environment"].items() if value is not None}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_ROOT), "HOME": "/nonexistent", **given}


@pytest.fixture
def place(tmp_path: Path, database_url: str, redis_url: str) -> LocalPlace:
    data = tmp_path / "data"
    for folder in ("objects", "beat", "engine"):
        (data / folder).mkdir(parents=True)
    ports = {port: str(find_free_port()) for port in CONTAINER_PORTS}
    return LocalPlace(
        {
            "postgresql://storymill:storymill@postgres:5432/storymill": database_url,
            "redis://redis:6379/0": redis_url,
            "gateway:8000": f"127.0.0.1:{ports['8000']}",
            "engine:8002": f"127.0.0.1:{ports['8002']}",
            "/data": str(data),
            "0.0.0.0": "127.0.0.1",
            **ports,
        }
    )


@contextmanager
def run_service(
    place: LocalPlace, service: dict[str, Any], log_file: Path, **more_environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the service's command; it is killed if the test has not ended it."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            place.build_command(service["command"]),
            env={**place.build_environment(service), **more_environment},
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_healthy(place: LocalPlace, service: dict[str, Any]) -> bool:
    """Run the service's own health check once."""
    environment = place.build_environment(service)
    check = subprocess.run(
        place.build_health_command(service), env=environment, capture_output=True, check=False, timeout=30
    )
    return check.returncode == 0


def assert_runs_and_stops(place: LocalPlace, service: dict[str, Any], log_file: Path, **more_environment: str) -> None:
    """Start, become healthy within the start period, and end within the grace period."""
    assert not is_healthy(place, service), "the health check must fail while the service does not run"
    with run_service(place, service, log_file, **more_environment) as process:
        wait_until(
            lambda: process.poll() is not None or is_healthy(place, service),
            timeout_seconds=parse_seconds(service["healthcheck"]["start_period"]),
            what=f"the health check; log: {log_file}",
        )
        assert process.poll() is None, log_file.read_text()[-3000:]
        process.terminate()
        process.wait(timeout=parse_seconds(service["stop_grace_period"]))


def test_migrate_brings_the_schema_up_to_date_and_ends(place: LocalPlace, tmp_path: Path) -> None:
    with run_service(place, SERVICES["migrate"], tmp_path / "log") as process:
        assert process.wait(timeout=60) == 0, (tmp_path / "log").read_text()


@pytest.mark.parametrize("name", mark_unusual(sorted(set(SERVICES) - {"migrate", "engine"}), USUAL))
def test_a_service_starts_passes_its_health_check_and_stops(place: LocalPlace, tmp_path: Path, name: str) -> None:
    assert_runs_and_stops(place, SERVICES[name], tmp_path / "log")


def test_the_engine_starts_passes_its_health_check_and_stops(place: LocalPlace, tmp_path: Path) -> None:
    # A toy of the real architecture: converting the real weights is tested where they are needed.
    model = build_tiny_model(tmp_path / "model")
    assert_runs_and_stops(place, SERVICES["engine"], tmp_path / "log", STORYMILL_ENGINE_MODEL=str(model))
