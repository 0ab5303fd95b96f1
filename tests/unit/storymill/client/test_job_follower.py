"""A job is followed: what its provider tells of the job that it made is told once."""

import httpx2

from storymill.client.rest import Api
from storymill.client.tuning import JobFollower

SAID = [
    "Created fine-tuning job: ftjob-ours",
    "Created fine-tuning job: ftjob-theirs",
    "Fine-tuning job started",
    "Fine-tuning job started",
    "Step 1/2: training loss=1.0",
    "Step 1/2: training loss=1.0",
    "New fine-tuned model created: ft:one",
    "New fine-tuned model created: ft:one",
    "The job has successfully completed",
    "The job has successfully completed",
]


def answer(request: httpx2.Request) -> httpx2.Response:
    """Answer as a gateway does that has a job with these events."""
    if request.url.path.endswith("/events"):
        after = request.url.params.get("after")
        start = 0 if after is None else int(after) + 1
        events = [{"id": str(n), "message": text} for n, text in enumerate(SAID)][start : start + 5]
        return httpx2.Response(200, json={"data": events, "has_more": start + 5 < len(SAID)})
    if request.url.path.endswith("/metrics"):
        return httpx2.Response(200, json={"data": [], "has_more": False})
    return httpx2.Response(200, json={"id": "ftjob-ours", "status": "succeeded"})


def test_what_both_tell_is_told_once() -> None:
    with Api("http://nowhere/v1", "sm_1", transport=httpx2.MockTransport(answer)) as api:
        told = [event["message"] for event in JobFollower(api, "ftjob-ours").refresh()]
    assert told == [SAID[0], SAID[2], SAID[4], SAID[5], SAID[6], SAID[8]]
