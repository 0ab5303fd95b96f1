"""The whole product and a scripted provider: each verdict on it is shown by API and command line, no row fails for
it, and everything goes on when the provider is well again."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storymill.client.errors import ApiError
from storymill.client.rest import Api
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, bad_request
from tests.support.upstream_thread import UpstreamThread, serve_upstream
from tests.support.whole_mill import WholeMill

ROWS = 40
MOST_REFUSED = 20
TENANT = "org-of-somebody-else"
PROVIDER = "upstream"


@pytest.fixture(scope="module")
def provider() -> Iterator[UpstreamThread]:
    with serve_upstream() as serving:
        yield serving


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, provider: UpstreamThread) -> Iterator[WholeMill]:
    """A mill whose runs wait through silences of two seconds, and pause for longer ones."""
    running = WholeMill(
        tmp_path_factory.mktemp("bad-days") / "state",
        environment={"STORYMILL_WORKER_LONGEST_SILENCE_SECONDS": "2"},
        arguments=("--upstream", provider.upstream.url),
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def other_project(mill: WholeMill) -> Api:
    """A key of another project, with the usual scopes."""
    made = mill.run("keys", "create", "--name", "other", "--project", "other", "--json")
    assert made.returncode == 0, made.stderr
    return Api(mill.api().base_url, json.loads(made.stdout)["key"])


@pytest.fixture(autouse=True)
def well(mill: WholeMill, provider: UpstreamThread) -> Iterator[None]:
    """Each test begins and ends with a provider that is well."""
    provider.upstream.default, provider.upstream.choose = Script(), None
    yield
    provider.upstream.default, provider.upstream.choose = Script(), None
    wait_until(lambda: write_a_text(mill.api()), timeout_seconds=60, what="texts to be written again")
    wait_for_verdict(mill.api(), "well")


def write_a_text(api: Api) -> bool:
    try:
        return bool(api.post("/completions", {"model": MODEL, "prompt": "一位英雄", "max_tokens": 20})["choices"])
    except ApiError:
        return False


def start_run(api: Api, name: str, rows: int = ROWS, **parameters: Any) -> str:
    recipe = {
        "template": f"{name}{{{{ number }}}}",
        "attributes": {"number": {"range": [1, rows]}},
        "model": MODEL,
        "parameters": {"max_tokens": 60, **parameters},
        "format": "completion",
    }
    return str(api.post("/generations", {"recipe": recipe})["id"])


def read_run(api: Api, run_id: str) -> dict[str, Any]:
    return api.get(f"/generations/{run_id}")


def read_provider(api: Api) -> dict[str, Any]:
    return api.get(f"/providers/{PROVIDER}")


def wait_for_pause(api: Api, run_id: str) -> dict[str, Any]:
    """Return the run once it is paused and its last call is settled, which comes a moment later."""

    def find_paused() -> dict[str, Any] | None:
        run = read_run(api, run_id)
        return run if run["status"] == "paused" and run["counts"]["running"] == 0 else None

    run = wait_until(find_paused, timeout_seconds=60, what="the pause")
    assert run is not None
    assert run["counts"]["failed"] == 0
    return run


def wait_for_success(api: Api, run_id: str, rows: int = ROWS) -> None:
    wait_until(lambda: read_run(api, run_id)["status"] == "succeeded", timeout_seconds=90, what="the run's end")
    assert read_run(api, run_id)["counts"]["succeeded"] == rows


def wait_for_verdict(api: Api, verdict: str) -> dict[str, Any]:
    wait_until(lambda: read_provider(api)["verdict"] == verdict, what=f"the verdict {verdict}")
    return read_provider(api)


def assert_shown(mill: WholeMill, verdict: str, words: str) -> None:
    """The command line shows verdict and, with the operator's key, the provider's words."""
    listed = mill.run("providers", "list").stdout
    assert PROVIDER in listed
    assert verdict in listed
    shown = mill.run("providers", "show", PROVIDER).stdout
    assert f"{PROVIDER}: {verdict}" in shown
    assert "since:" in shown
    assert words in shown


def test_a_provider_that_is_down_is_waited_for(mill: WholeMill, provider: UpstreamThread, tmp_path: Path) -> None:
    api = mill.api()
    provider.upstream.default = Script(delay_seconds=0.3)
    run_id = start_run(api, "停", 200)
    wait_until(lambda: read_run(api, run_id)["counts"]["succeeded"] > 20, timeout_seconds=60, what="stories")
    command = [sys.executable, "-m", "storymill", "generations", "watch", run_id, "--state-dir", str(mill.state_dir)]
    with (tmp_path / "watch.txt").open("w") as log:
        watching = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=PROJECT_ROOT)
    provider.close_port()
    try:
        wait_until(lambda: read_run(api, run_id)["limited_by"] == "provider_down", what="the run to say so")
        shown = wait_for_verdict(api, "down")
        assert shown["last_failure"]["class"] in ("unreachable", "cut_connection")
        assert_shown(mill, "down", "connect")
        wait_until(lambda: "does not answer" in (tmp_path / "watch.txt").read_text(), what="the watcher to be told")
    finally:
        provider.open_port()
    wait_for_success(api, run_id, 200)
    assert watching.wait(30) == 0
    assert read_run(api, run_id)["counts"]["failed"] == 0


def test_a_provider_without_credit_pauses_runs_and_others_read_no_words(
    mill: WholeMill, provider: UpstreamThread, other_project: Api
) -> None:
    api = mill.api()
    words = f"Insufficient Balance of {TENANT}"
    provider.upstream.default = Script(status=402, error={"message": words, "code": "invalid_request_error"})
    before = len(provider.upstream.calls)
    run_id = start_run(api, "钱")
    run = wait_for_pause(api, run_id)
    assert words in run["status_reason"]
    assert len(provider.upstream.calls) - before <= MOST_REFUSED
    assert wait_for_verdict(api, "no_credit")["last_failure"]["message"].endswith(words)
    assert_shown(mill, "no credit", words)
    watched = mill.run("generations", "watch", run_id)
    assert watched.returncode == 1
    assert "no credit at upstream" in watched.stdout

    seen = read_provider(other_project)
    assert seen["verdict"] == "no_credit"
    assert seen["since"] is not None
    assert TENANT not in json.dumps(seen)
    theirs = wait_for_pause(other_project, start_run(other_project, "他", 3))
    assert "no credit at upstream" in theirs["status_reason"]

    provider.upstream.default = Script()
    api.post(f"/generations/{run_id}/resume")
    wait_for_success(api, run_id)


def test_a_refused_key_pauses_runs(mill: WholeMill, provider: UpstreamThread) -> None:
    api = mill.api()
    provider.upstream.default = Script(status=401, error={"message": "Incorrect API key", "code": "invalid_api_key"})
    run_id = start_run(api, "钥")
    run = wait_for_pause(api, run_id)
    assert "upstream refuses the key" in run["status_reason"]
    wait_for_verdict(api, "key_refused")
    assert_shown(mill, "key refused", "Incorrect API key")
    provider.upstream.default = Script()
    assert "goes on" in mill.run("generations", "resume", run_id).stdout
    wait_for_success(api, run_id)


@pytest.mark.slow
def test_a_long_silence_pauses_a_run_and_it_goes_on_by_itself(mill: WholeMill, provider: UpstreamThread) -> None:
    api = mill.api()
    limit = {"message": "Daily limit reached", "code": "rate_limit_exceeded"}
    provider.upstream.default = Script(status=429, error=limit, headers={"retry-after": "15"})
    run_id = start_run(api, "静")
    run = wait_for_pause(api, run_id)
    assert "asks to be left alone until" in run["status_reason"]
    assert run["resumes_at"] > run["created_at"]
    assert wait_for_verdict(api, "silent")["until"] == pytest.approx(run["resumes_at"], abs=2)
    assert_shown(mill, "silent", "Daily limit reached")
    assert "goes on by itself at" in mill.run("generations", "watch", run_id).stdout
    provider.upstream.default = Script()
    wait_for_success(api, run_id)


def test_what_works_at_a_provider_is_told_by_command_line_and_its_cost_first(
    mill: WholeMill, provider: UpstreamThread
) -> None:
    before = len(provider.upstream.calls)
    tried = mill.run("providers", "test", PROVIDER, "--model", MODEL, "--yes")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    cost, *found = tried.stdout.splitlines()
    assert cost.startswith(f"{PROVIDER}: at most 8 calls, to {MODEL}, ")
    told = {name.strip(): mark for mark, name in (line.strip().split(" ", 1) for line in found)}
    works = {name for name, mark in told.items() if mark == "yes"}
    assert {"models", "text", "usage", "streaming"} <= works
    assert len(provider.upstream.calls) - before == 3  # beside the four lists
    shown = mill.run("providers", "show", PROVIDER).stdout
    assert "calls in flight: 0" in shown


def test_a_refused_recipe_is_changed_and_resumed_by_command_line(mill: WholeMill, provider: UpstreamThread) -> None:
    api = mill.api()

    def refuse(call: Any) -> Script | None:
        return bad_request("max_tokens is too large: 9000") if call.body.get("max_tokens") == 9000 else None

    provider.upstream.choose = refuse
    before = len(provider.upstream.calls)
    run_id = start_run(api, "方", max_tokens=9000)
    run = wait_for_pause(api, run_id)
    assert run["status_reason"].startswith("recipe refused: ")
    assert "max_tokens is too large: 9000" in run["status_reason"]
    assert len(provider.upstream.calls) - before <= MOST_REFUSED
    assert read_provider(api)["verdict"] == "well"

    changed = mill.run("generations", "update", run_id, "--max-tokens", "50", "--set", "temperature=0.5")
    assert changed.returncode == 0, changed.stderr
    assert f"storymill generations resume {run_id}" in changed.stdout
    mill.run("generations", "resume", run_id)
    wait_for_success(api, run_id)
    assert {call.body["max_tokens"] for call in provider.upstream.calls[-ROWS:]} == {50}
