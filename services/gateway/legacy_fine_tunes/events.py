"""A job's events in the words of 2023: the few lines that its command line printed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

import orjson

from services.gateway.wiring import Gateway
from shared.clock import unix_seconds
from shared.contracts.event_stream import DONE, format_event
from shared.http.answers import Json
from shared.stores.db.models import FineTuningEvent, FineTuningJob
from shared.stores.db.repositories import fine_tuning_events, legacy_fine_tunes
from shared.streams.job_events.feed import follow_events

LEGACY_PREFIX: Final = "ft-"
JOB_PREFIX: Final = "ftjob-"
PASSED_ON: Final = "Completed epoch "
ESTIMATED: Final = "estimated"
WORDS: Final = {
    "created": "Created fine-tune: {id}",
    ESTIMATED: "Fine-tune costs ${usd:.2f}",
    "enqueued": "Fine-tune enqueued. Queue number: {queue_number}",
    "started": "Fine-tune started",
    "model": "Uploaded model: {model}",
    "result_file": "Uploaded result file: {file_id}",
    "succeeded": "Fine-tune succeeded",
    "cancelled": "Fine-tune cancelled",
}
"""Of our own events, by their code."""
MOST_EVENTS: Final = 100_000


def legacy_id(job_id: str) -> str:
    """Return the id of 2023 of a job."""
    return LEGACY_PREFIX + job_id.removeprefix(JOB_PREFIX)


def job_id_of(fine_tune_id: str) -> str:
    """Return the job's id, from either form."""
    if fine_tune_id.startswith(LEGACY_PREFIX):
        return JOB_PREFIX + fine_tune_id.removeprefix(LEGACY_PREFIX)
    return fine_tune_id


def put_into_words(event: FineTuningEvent, job: FineTuningJob, legacy_name: str | None) -> str | None:
    """Return what 2023 said at such an event; None where it said nothing."""
    data: dict[str, Any] = event.data or {}
    words = WORDS.get(str(data.get("code"))) if event.upstream_id is None else None
    if words is not None:
        known = {"queue_number": 0, **data, "id": legacy_id(job.id), "model": legacy_name or data.get("model")}
        is_said = data.get("code") != ESTIMATED or data.get("usd") is not None
        return words.format(**known) if is_said else None
    is_ours = event.upstream_id is None and event.type != "metrics"
    is_told = is_ours or event.level != "info" or event.message.startswith(PASSED_ON)
    return event.message if is_told else None


def shape_events(events: Sequence[FineTuningEvent], job: FineTuningJob, legacy_name: str | None) -> list[Json]:
    """Return the event objects of 2023."""
    shaped = []
    for event in events:
        message = put_into_words(event, job, legacy_name)
        if message is not None:
            moment = unix_seconds(event.created_at)
            shaped.append({"object": "fine-tune-event", "level": event.level, "created_at": moment, "message": message})
    return shaped


async def read_legacy_events(gateway: Gateway, job: FineTuningJob) -> list[Json]:
    """Return all events of a job so far."""
    async with gateway.database.transaction() as session:
        events, _ = await fine_tuning_events.list_events(session, job.id, limit=MOST_EVENTS)
        names = await legacy_fine_tunes.find_legacy_names(session, [job.id])
    return shape_events(events, job, names.get(job.id))


async def write_legacy_events(gateway: Gateway, job: FineTuningJob) -> AsyncGenerator[bytes, None]:
    """Yield all events from the first on: the client of 2023 has no cursor. Then those that come, and the end."""
    async with aclosing(follow_events(gateway.database, gateway.job_watch, job.id)) as batches:
        async for events in batches:
            async with gateway.database.transaction() as session:
                names = await legacy_fine_tunes.find_legacy_names(session, [job.id])
            for shaped in shape_events(events, job, names.get(job.id)):
                yield format_event(orjson.dumps(shaped))
    yield DONE
