"""A restart of the mill ends no watching; an address that never answered is not waited for."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from rich.console import Console

from storymill.cli.generations import watch_to_end
from storymill.cli.patience import Patience
from storymill.cli.tuning_watch import watch_job
from storymill.client.errors import ApiError, UnreachableError
from storymill.client.rest import Api

Answer = Callable[[httpx2.Request], httpx2.Response]
USAGE = {"prompt_tokens": 10, "completion_tokens": 20}


@pytest.fixture
def said() -> io.StringIO:
    """What a watcher prints."""
    return io.StringIO()


def pass_over(_seconds: float) -> None:
    """Do not wait."""


def watch_into(output: io.StringIO, pause: Callable[[float], object] = pass_over) -> Patience:
    """Return the patience of a new watcher."""
    return Patience(Console(file=output, width=200), pause)


def open_api(answers: Iterator[Answer]) -> Api:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return next(answers)(request)

    return Api("http://mill/v1", "sm_1", transport=httpx2.MockTransport(answer))


def tell(body: dict[str, Any]) -> Answer:
    return lambda _request: httpx2.Response(200, json=body)


def describe_run(status: str, succeeded: int) -> dict[str, Any]:
    counts = {"total": 2, "queued": 0, "running": 2 - succeeded, "succeeded": succeeded, "failed": 0, "rejected": 0}
    return {"id": "gen_1", "status": status, "counts": counts, "usage": USAGE, "cost_usd": 0}


def be_away(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)


def be_starting(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(503, json={"error": {"message": "Postgres is away", "code": "store_away"}})


def test_a_run_is_watched_and_exported_through_restarts(tmp_path: Path, said: io.StringIO) -> None:
    answers = [
        tell(describe_run("running", 1)),
        be_away,
        be_away,
        be_starting,
        tell(describe_run("succeeded", 2)),
        be_away,
        lambda _request: httpx2.Response(200, content=b"story\n"),
    ]
    target = tmp_path / "stories.csv"
    assert watch_to_end(open_api(iter(answers)), "gen_1", target, watch_into(said))["status"] == "succeeded"
    assert target.read_bytes() == b"story\n"
    assert said.getvalue().count("The mill answers again.") == 2


def test_a_job_is_watched_through_a_restart_and_loses_no_event(said: io.StringIO) -> None:
    event = {"type": "message", "level": "info", "created_at": 1, "data": None}
    job = {"id": "ftjob-1", "model": "a", "fine_tuned_model": "ft:a", "trained_tokens": 0, "created_at": 1}
    pages = {
        "first": {"data": [{**event, "id": "ev_1", "message": "one"}], "has_more": True},
        "second": {"data": [{**event, "id": "ev_2", "message": "two"}], "has_more": False},
    }
    over = tell({**job, "status": "succeeded", "finished_at": 2})
    no_more = tell({"data": [], "has_more": False})
    answers = [over, no_more, tell(pages["first"]), be_away, over, no_more, tell(pages["second"])]
    with pytest.raises(UnreachableError):
        watch_job(open_api(iter([be_away])), "ftjob-1", watch_into(said))
    running = tell({**job, "status": "running"})
    began = [running, no_more, no_more]
    watched = watch_job(open_api(iter([*began, *answers])), "ftjob-1", watch_into(said))
    assert watched["status"] == "succeeded"
    assert [word for word in said.getvalue().split() if word in {"one", "two"}] == ["one", "two"]


def test_only_what_passes_is_waited_for() -> None:
    watcher = watch_into(io.StringIO())
    assert watcher.ask(lambda: 1) == 1
    refused = ApiError(404, "There is no such run.", "not_found", None)
    with pytest.raises(ApiError):
        watcher.ask(lambda: raise_error(refused))


def raise_error(error: Exception) -> None:
    raise error


def test_leaving_a_run_names_the_command_that_collects_it(tmp_path: Path, said: io.StringIO) -> None:
    def leave(_seconds: float) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "my stories.csv"
    api = open_api(iter([tell(describe_run("running", 1))]))
    with pytest.raises(typer.Exit):
        watch_to_end(api, "gen_1", target, watch_into(said, leave))
    assert f"storymill generations watch gen_1 --export '{target}'" in said.getvalue()
    assert "goes on" in said.getvalue()
