"""How far a fine-tuning job's estimate was off, once it has its model."""

from typing import Any

from storymill.cli.words import count_of, format_seconds
from storymill.client.rest import Api

Json = dict[str, Any]


def describe_accuracy(api: Api, job: Json) -> str | None:
    """Return tokens and time beside what was expected; None before a job has its model, or without an estimate."""
    estimate = job.get("estimate")
    if job["status"] != "succeeded" or not estimate or not job["trained_tokens"]:
        return None
    expected, trained = estimate["billed_tokens"], job["trained_tokens"]
    parts = [f"{count_of(trained, 'token')} trained of {expected:,} estimated ({describe_gap(trained, expected)})"]
    took = find_training_seconds(api, job)
    if took is not None and estimate.get("seconds"):
        gap = describe_gap(took, estimate["seconds"])
        parts.append(f"{format_seconds(took)} for {format_seconds(estimate['seconds'])} ({gap})")
    return " · ".join(parts)


def describe_gap(found: float, expected: float) -> str:
    """Return `as expected`, `12% more`, `3% less`."""
    share = round(100 * (found - expected) / expected) if expected else 0
    return f"{abs(share)}% {'more' if share > 0 else 'less'}" if share else "as expected"


def find_training_seconds(api: Api, job: Json) -> float | None:
    """Return how long the provider trained: from the first `running` to the end."""
    changes = api.get(f"/fine_tuning/jobs/{job['id']}/changes")["data"]
    began = next((change["created_at"] for change in changes if change["to"] == "running"), None)
    return None if began is None or job["finished_at"] is None else float(job["finished_at"] - began)
