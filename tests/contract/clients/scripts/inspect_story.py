"""A task of Inspect as its first page shows it: one question, its answer expected."""

import os

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message


@task
def story() -> Task:
    """Tell a story."""
    sample = Sample(input=os.environ["PROMPT"], target=os.environ["STORY"])
    return Task(dataset=[sample], solver=[system_message("你是作家。"), generate()], scorer=includes())
