"""Names of tuned models and their checkpoints, as OpenAI forms them, and of their folders."""

import re

LONGEST_SUFFIX = 40
"""In characters; what is longer is cut."""


def clean_suffix(suffix: str | None) -> str:
    """Lower-case, every run of punctuation or space one dash, at most 40 characters; letters of any script stay."""
    dashed = re.sub(r"[\W_]+", "-", (suffix or "").lower())
    return dashed.strip("-")[:LONGEST_SUFFIX].rstrip("-")


def name_tuned_model(base: str, organization: str, suffix: str, job_id: str) -> str:
    """Return `ft:{base}:{organization}:{suffix}:{id}`: the same name whenever the same job ends."""
    return f"ft:{base}:{organization}:{suffix}:{job_id.removeprefix('ftjob-')[-8:]}"


def name_checkpoint(model_id: str, step: int) -> str:
    """Return the checkpoint's model id."""
    return f"{model_id}:ckpt-step-{step}"


def folder_of_model(job_id: str, step: int | None = None) -> str:
    """Name the adapter's folder: the job's own, or that of its checkpoint after `step`."""
    return job_id if step is None else f"{job_id}-step-{step}"
