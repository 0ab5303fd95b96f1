"""The real mill without a model: started detached, used, wounded, stopped, started again."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest

from storymill.client.rest import Api
from storymill.launcher.credentials import read_credentials
from storymill.launcher.state_dir import StateDir
from storymill.launcher.status_report import make_report
from storymill.launcher.stores import find_database_url
from tests.integration.launcher.test_commands import run_storymill
from tests.support.stack import wait_until
from tests.support.usual import mark_unusual

# Nobody listens there: nothing in these tests calls a model.
NO_UPSTREAM = "http://127.0.0.1:9/v1"
SECRETS = {"OPENAI_API_KEY": "sk-not-for-all", "WANDB_API_KEY": "wandb-not-for-all", "FOO_PASSWORD": "not-for-all"}
GIVEN_TO_ALL = {
    *("STORYMILL_STATE_DIR", "STORYMILL_OBJECT_STORE_DIR", "STORYMILL_BOUNDS_FILE", "STORYMILL_WORKER_TRACKER_DIR"),
    *("STORYMILL_GATEWAY_URL", "STORYMILL_STREAMING_URL", "STORYMILL_UPSTREAM_URL"),
}
"""Places and addresses."""
SERVICES = {
    *("postgres", "redis", "migrations", "api key", "worker-interactive", "worker-generation", "worker-batch"),
    *("worker-maintenance", "beat", "streaming", "gateway"),
}

pytestmark = pytest.mark.xdist_group("whole mill")
KILLED = ("gateway", "streaming", "worker-generation", "beat", "redis", "postgres")


def start(state_dir: Path) -> None:
    """Run `storymill up --detach` and insist that it succeeds."""
    environment = {"STORYMILL_DATABASE_URL": "", "STORYMILL_REDIS_URL": "", **SECRETS}
    arguments = ["--state-dir", str(state_dir), "--gateway-port", "0", "--streaming-port", "0"]
    result = run_storymill("up", "--detach", *arguments, "--upstream", NO_UPSTREAM, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert str(state_dir / "credentials.json") in result.stdout


def read_status(state_dir: Path) -> dict[str, Any]:
    """Return `storymill status --json`."""
    status: dict[str, Any] = json.loads(run_storymill("status", "--json", "--state-dir", str(state_dir)).stdout)
    return status


def find_row(state_dir: Path, name: str) -> dict[str, Any]:
    """Return the status of one process."""
    row: dict[str, Any] = next(row for row in read_status(state_dir)["processes"] if row["name"] == name)
    return row


def list_models(state_dir: Path, *, api_key: str | None = None) -> int:
    """Ask the gateway something that needs a key; return the status."""
    credentials = read_credentials(state_dir)
    headers = {"Authorization": f"Bearer {api_key or credentials.api_key}"}
    return httpx2.get(f"{credentials.base_url}/models", headers=headers, trust_env=False).status_code


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running mill; its state directory."""
    folder = tmp_path_factory.mktemp("mill") / "state"
    start(folder)
    yield folder
    run_storymill("down", "--state-dir", str(folder))


def test_everything_is_ready_when_up_returns(state_dir: Path) -> None:
    status = read_status(state_dir)
    assert status["is_ready"] is True
    assert {row["name"] for row in status["processes"]} == SERVICES
    assert status["supervisor_pid"] != os.getpid()


def test_each_process_gets_the_secrets_that_it_needs_and_no_others(state_dir: Path) -> None:
    by_process = {
        row["name"]: psutil.Process(row["pid"]).environ()
        for row in read_status(state_dir)["processes"]
        if row["pid"] is not None
    }
    speaking_to_providers = {"gateway"} | {name for name in by_process if name.startswith("worker-")}
    for name, value in SECRETS.items():
        holding = {process for process, found in by_process.items() if value in found.values()}
        assert holding == speaking_to_providers, name
    holders = {
        variable: {process for process, found in by_process.items() if found.get(variable)}
        for variable in ("STORYMILL_DATABASE_URL", "STORYMILL_REDIS_URL")
    }
    assert holders["STORYMILL_DATABASE_URL"] == speaking_to_providers | {"streaming"}
    assert holders["STORYMILL_REDIS_URL"] == speaking_to_providers | {"streaming", "beat"}
    assert {"postgres", "redis", "beat"} <= by_process.keys()


def test_each_process_is_given_what_it_needs_and_nothing_else(state_dir: Path) -> None:
    """Every process, every variable that it has and we have not: by a list, so that a new one is thought about."""
    given = {
        row["name"]: {
            name
            for name, value in psutil.Process(row["pid"]).environ().items()
            if name.startswith("STORYMILL_") and value and os.environ.get(name) != value
        }
        for row in read_status(state_dir)["processes"]
        if row["pid"] is not None
    }
    queue_user = GIVEN_TO_ALL | {"STORYMILL_REDIS_URL"}
    streaming = queue_user | {"STORYMILL_DATABASE_URL"}
    gateway = streaming | {"STORYMILL_ENCRYPTION_KEY_FILE"}
    expected = {"postgres": set[str](), "redis": set(), "beat": queue_user, "streaming": streaming, "gateway": gateway}
    workers = {name: gateway | {"STORYMILL_WORKER_HTTP_PORT"} for name in given if name.startswith("worker-")}
    assert given == expected | workers


def test_the_credentials_open_the_gateway_and_a_wrong_key_does_not(state_dir: Path) -> None:
    assert list_models(state_dir) == 200
    assert list_models(state_dir, api_key="sm_wrong") == 401


def test_a_key_made_on_the_command_line_works_until_it_is_revoked(state_dir: Path) -> None:
    environment = {"STORYMILL_DATABASE_URL": ""}
    where = ["--state-dir", str(state_dir)]
    created = run_storymill("keys", "create", "--name", "x", "--json", *where, environment=environment)
    key = json.loads(created.stdout)
    assert list_models(state_dir, api_key=key["key"]) == 200
    assert run_storymill("keys", "revoke", key["id"], *where, environment=environment).returncode == 0
    wait_until(lambda: list_models(state_dir, api_key=key["key"]) == 401, what="the key to stop working")


def test_the_key_that_secrets_are_sealed_with_is_changed_while_the_mill_runs(state_dir: Path) -> None:
    credentials = read_credentials(state_dir)
    with Api(credentials.base_url, credentials.api_key) as api:
        body = {"name": "n", "url": "https://8.8.8.8/hook", "event_types": ["fine_tuning.job.succeeded"]}
        made = api.post("/webhook_endpoints", body)
        before = (state_dir / "encryption.key").read_text().split()
        rotated = run_storymill("secrets", "rotate", "--state-dir", str(state_dir))
        assert (rotated.returncode, rotated.stdout.strip()) == (0, "Sealed anew: the secrets of 1 webhook endpoint.")
        after = (state_dir / "encryption.key").read_text().split()
        assert (len(before), len(after), after[1:]) == (1, 2, before)
        hint = api.get(f"/webhook_endpoints/{made['id']}")["signing_secret_hint"]
        assert hint[-4:] == made["signing_secret"].rstrip("=")[-4:]


@pytest.mark.parametrize("name", mark_unusual(KILLED, ("worker-generation", "postgres")))
def test_a_killed_process_comes_back_and_the_mill_is_ready_again(state_dir: Path, name: str) -> None:
    before = find_row(state_dir, name)
    psutil.Process(before["pid"]).kill()

    def is_back() -> bool:
        report = make_report(StateDir(state_dir.resolve()))  # the command's own, without a process a look
        row = next(row for row in report.processes if row.name == name)
        return row.restarts > before["restarts"] and report.is_ready

    wait_until(is_back, timeout_seconds=60, what=f"{name} to come back")
    assert find_row(state_dir, name)["pid"] != before["pid"]
    assert list_models(state_dir) == 200


def list_scopes(state_dir: Path) -> dict[str, list[str]]:
    """Return what each key may do, by its name."""
    listed = run_storymill("keys", "list", "--json", "--state-dir", str(state_dir)).stdout
    return {key["name"]: key["scopes"] for key in map(json.loads, listed.splitlines())}


def test_a_mill_that_was_stopped_starts_again_with_its_key_and_data(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of an earlier release, whose keys could not operate: the launcher's own can, nobody else's."""
    monkeypatch.setenv("STORYMILL_DATABASE_URL", "")
    run_storymill("keys", "create", "--name", "mine", "--state-dir", str(state_dir))
    with psycopg.connect(find_database_url(StateDir(state_dir.resolve()))) as connection:
        connection.execute("update api_key set scopes = '{read,write}'")
    before = read_credentials(state_dir)
    assert run_storymill("down", "--state-dir", str(state_dir)).returncode == 0
    assert read_status(state_dir)["running"] is False
    start(state_dir)
    assert read_credentials(state_dir).api_key == before.api_key
    assert list_models(state_dir) == 200
    scopes = list_scopes(state_dir)
    assert (scopes["launcher"], scopes["mine"]) == (["read", "write", "operate"], ["read", "write"])


@pytest.mark.slow  # `down` ends what a killed launcher left
def test_a_mill_whose_launcher_was_killed_starts_again(state_dir: Path) -> None:
    status = read_status(state_dir)
    children = [psutil.Process(row["pid"]) for row in status["processes"] if row["pid"]]
    psutil.Process(status["supervisor_pid"]).kill()
    start(state_dir)
    assert list_models(state_dir) == 200
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
