"""Every job kind is killed, frozen and failed over: who joins the table of jobs joins the suite of faults."""

from services.workers.job_table import KINDS as JOBS
from shared.contracts.queue.messages import ExpandGeneration
from tests.support.faults.kinds import KINDS as STRUCK

NAMES = {"model_evaluation": "evaluation", "model_comparison": "comparison"}
"""Of kinds whose rows are called otherwise than their case."""
WITHOUT_ROWS = {ExpandGeneration: "expansion"}
"""Jobs that hold no row, by their case."""


def test_every_kind_of_job_is_in_the_fault_suite_and_no_other() -> None:
    wanted = [
        WITHOUT_ROWS[job.message] if job.rows is None else NAMES.get(job.rows.name, job.rows.name) for job in JOBS
    ]
    assert sorted(case.name for case in STRUCK) == sorted(wanted)
