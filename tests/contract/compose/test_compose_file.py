"""docker-compose.yml and the Dockerfile hold together, and agree with the launcher."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from shared.outside.network.proxies import ProxyRules
from storymill.launcher.options import UpOptions
from storymill.launcher.services import Addresses, build_services
from storymill.launcher.state_dir import StateDir
from tests.contract.compose.compose_file import parse_seconds, read_app_services, read_compose, read_stages
from tests.support.stack import PROJECT_ROOT

APP_SERVICES = read_app_services()
LONG_RUNNING = {name: service for name, service in APP_SERVICES.items() if name != "migrate"}


def test_every_process_of_the_mill_is_there() -> None:
    assert set(read_compose()["services"]) == {
        *("postgres", "redis", "migrate", "gateway", "streaming", "beat", "engine"),
        *("worker-interactive", "worker-generation", "worker-batch", "worker-maintenance"),
    }


@pytest.mark.parametrize("name", APP_SERVICES)
def test_each_service_is_built_from_a_target_that_does_not_run_as_root(name: str) -> None:
    stage = read_stages()[APP_SERVICES[name]["build"]["target"]]
    assert stage.user == "storymill"


def test_each_target_installs_extras_that_the_project_has() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    for stage in read_stages().values():
        assert set(stage.extras) <= set(project["optional-dependencies"])


def test_only_the_engine_installs_torch() -> None:
    with_engine = {name for name, stage in read_stages().items() if "engine" in stage.extras}
    assert with_engine == {"engine"}


@pytest.mark.parametrize("name", [*LONG_RUNNING, "postgres", "redis"])
def test_each_service_restarts_is_checked_and_has_time_to_stop(name: str) -> None:
    service = read_compose()["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert parse_seconds(service["stop_grace_period"]) >= 10


@pytest.mark.parametrize("name", APP_SERVICES)
def test_volumes_are_mounted_on_folders_that_the_image_gives_to_its_user(name: str) -> None:
    service = APP_SERVICES[name]
    targets = {volume.split(":")[1] for volume in service.get("volumes", [])}
    assert targets <= set(read_stages()[service["build"]["target"]].folders)
    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(read_compose()["volumes"])


@pytest.mark.parametrize("name", ["worker-interactive", "worker-generation", "worker-batch", "worker-maintenance"])
def test_workers_can_be_scaled(name: str) -> None:
    service = APP_SERVICES[name]
    assert "container_name" not in service
    assert "ports" not in service
    assert service["command"][service["command"].index("-n") + 1].endswith("@%h")


def list_launcher_commands() -> dict[str, list[str]]:
    """Return the launcher's command lines without the parts that differ by machine."""
    options = UpOptions(state_dir=Path("/data"))
    groups = build_services(options, StateDir(Path("/data")), {}, Addresses(8000, 8001, 8002))
    return {spec.name: ["python", *spec.command[1:]] for group in groups for spec in group}


def with_image_host(command: list[str]) -> list[str]:
    """Inside a container a server listens on every address."""
    return ["0.0.0.0" if word == "127.0.0.1" else word for word in command]


@pytest.mark.parametrize("name", sorted(set(LONG_RUNNING) - {"engine"}))
def test_the_proxies_of_the_shell_reach_each_service_and_its_neighbours_need_none(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    environment = LONG_RUNNING[name]["environment"]
    assert all(variable in environment for variable in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", environment["NO_PROXY"])
    rules = ProxyRules.from_environment()
    assert rules.find(URL("http://api.example.com")) is not None
    for host in ("127.0.0.1", "postgres", "redis", "engine", "gateway", "streaming"):
        assert rules.find(URL(f"http://{host}")) is None


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_the_launcher_and_compose_start_the_same_command(name: str) -> None:
    service: dict[str, Any] = LONG_RUNNING[name]
    assert with_image_host(list_launcher_commands()[name]) == service["command"]
