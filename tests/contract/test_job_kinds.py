"""Every kind of job has the same files: a stranger finds its body, and how its rows are kept, without searching."""

import ast
from collections import defaultdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.workers.job_table import JOBS, Job
from tests.support.source_files import PRODUCT, Function, find_called_names, parse_folders, walk_functions

REPOSITORIES = Path("shared/stores/db/repositories")


def find_body(job: Job) -> Any:
    """Return the function that a message of the job runs."""
    return job.body.func if isinstance(job.body, partial) else job.body


def find_room(job: Job) -> str:
    """Return the package of the job's kind."""
    room: str = find_body(job).__module__.rpartition(".")[0]
    return room


BODIES = defaultdict[str, set[Any]](set)
for one in JOBS:
    BODIES[find_room(one)].add(find_body(one))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.message.__name__)
def test_a_body_stands_in_task_or_in_its_verbs_task_where_a_kind_has_several(job: Job) -> None:
    body, room = find_body(job), find_room(job)
    verb = body.__name__.partition("_")[0]
    assert room.rpartition(".")[0] == "services.workers"
    name = "task" if len(BODIES[room]) == 1 else f"{verb}_task"
    assert body.__module__ == f"{room}.{name}"


@pytest.mark.parametrize("job", [job for job in JOBS if job.rows], ids=lambda job: job.message.__name__)
def test_how_rows_are_kept_stands_in_lease(job: Job) -> None:
    assert any(value is job.rows for value in vars(import_module(f"{find_room(job)}.lease")).values())


def list_arguments(function: Function) -> list[ast.arg]:
    """Return what a function takes by position or by name."""
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def test_rows_are_claimed_in_the_claims_of_the_repositories_and_nowhere_else() -> None:
    elsewhere = [
        f"{path}: {function.name}"
        for path, tree in parse_folders(PRODUCT).items()
        for function in walk_functions(tree)
        if {"session", "lease_seconds"} <= {argument.arg for argument in list_arguments(function)}
        and function.name.startswith(("claim_", "take_"))
        and not (path.parent == REPOSITORIES and path.name.endswith("_claims.py"))
    ]
    assert elsewhere == []


@pytest.mark.parametrize("job", [job for job in JOBS if job.rows], ids=lambda job: job.message.__name__)
def test_every_kind_with_rows_calls_a_claim(job: Job) -> None:
    room = Path(*find_room(job).split("."))
    called = {name for tree in parse_folders((str(room),)).values() for name in find_called_names(tree)}
    claims = {
        function.name
        for path, tree in parse_folders((str(REPOSITORIES),)).items()
        if path.name.endswith("_claims.py")
        for function in walk_functions(tree)
        if function.name.startswith("claim_")
    }
    assert called & claims
