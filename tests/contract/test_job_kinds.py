"""Every kind of job has the same files: a stranger finds its body, and how its rows are kept, without searching."""

from collections import defaultdict
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from services.workers.job_table import JOBS, Job


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
