"""The objects of the fine-tuning protocol, read with tolerance: providers leave fields out and spell states anew."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from services.workers.fine_tuning.upstream.provider import UpstreamCheckpoint, UpstreamEvent, UpstreamJob
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.contracts.storable import cut_text, make_storable_json
from shared.outside.providers.border.fields import (
    find_moment,
    find_name,
    find_object,
    find_text,
    find_whole,
    spell_field,
    spell_value,
)
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.failures import FailureClass, LlmError

OTHER_SPELLINGS: Final = {
    "created": "validating_files",
    "validating": "validating_files",
    "pending": "queued",
    "notrunning": "queued",
    "in_progress": "running",
    "cancelling": "running",
    "canceled": "cancelled",
    "completed": "succeeded",
    "error": "failed",
}
LEVELS: Final = {"info": "info", "warn": "warn", "warning": "warn", "error": "error"}
LONGEST_ID: Final = 200
LONGEST_MESSAGE_CHARACTERS: Final = 10_000
"""Of an event or an error; a provider that tells more is cut."""
LARGEST_STEP: Final = 2**31 - 1
"""What the column holds."""


def read_body(content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer, storable; a number that is none (`NaN`, which some write) becomes its name.
    Raises: LlmError (malformed)."""
    return read_object(content, names_numbers=True)


def parse_job(content: bytes) -> UpstreamJob:
    """Return the job of an answer. Raises: LlmError (malformed)."""
    return read_job(read_body(content))


def require_id(value: Mapping[str, Any], what: str) -> str:
    """Return the id of a thing that was made or is asked for by it. Raises: LlmError (malformed)."""
    found = find_name(value.get("id"))
    if found is None:
        raise LlmError(FailureClass.MALFORMED, f"the provider's answer names no {what}")
    return found


def read_job(value: Mapping[str, Any]) -> UpstreamJob:
    """Return a job of an answer. Raises: LlmError (malformed) for one without an id."""
    metadata = find_object(value, "metadata")
    return UpstreamJob(
        id=require_id(value, "job"),
        status=read_status(value.get("status")),
        model=find_text(value, "model"),
        training_file=find_text(value, "training_file"),
        suffix=find_text(value, "suffix") or find_text(value, "user_provided_suffix"),
        metadata={key: spell_value(item, LONGEST_MESSAGE_CHARACTERS) or "" for key, item in metadata.items()},
        fine_tuned_model=find_name(value.get("fine_tuned_model")),
        result_files=read_file_ids(value.get("result_files")),
        trained_tokens=find_whole(value, "trained_tokens"),
        hyperparameters=read_hyperparameters(value),
        error=read_error(value.get("error")),
        estimated_finish=find_moment(value.get("estimated_finish")),
        created_at=find_moment(value.get("created_at")),
    )


def read_status(value: object) -> str:
    """Return one of our states; what nobody knows is taken as waiting."""
    status = value.lower() if isinstance(value, str) else ""
    return status if status in FINE_TUNING_JOB.known else OTHER_SPELLINGS.get(status, "queued")


def read_file_ids(value: object) -> tuple[str, ...]:
    """Return the ids of a list of result files, each given as such or as an object."""
    if not isinstance(value, list):
        return ()
    found = (find_name(item.get("id") if isinstance(item, Mapping) else item) for item in value)
    return tuple(file_id for file_id in found if file_id is not None)


def read_hyperparameters(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters as the provider settled them."""
    method = find_object(value, "method")
    inner = find_object(method, find_text(method, "type") or "supervised")
    return find_object(inner, "hyperparameters") or find_object(value, "hyperparameters")


def read_error(value: object) -> dict[str, Any] | None:
    """Return code, message and param of an error, None for one that says nothing."""
    if not isinstance(value, Mapping) or not (value.get("message") or value.get("code")):
        return None
    return {
        "code": spell_field(value, "code", LONGEST_ID) or "upstream_error",
        "message": spell_field(value, "message", LONGEST_MESSAGE_CHARACTERS) or "The provider gave no reason.",
        "param": find_text(value, "param", LONGEST_ID),
    }


def read_event(value: Mapping[str, Any]) -> UpstreamEvent:
    """Return an event; one without an id gets one from what it says."""
    message = spell_field(value, "message", LONGEST_MESSAGE_CHARACTERS) or ""
    data = find_object(value, "data")
    event_id = find_text(value, "id") or "made-" + digest([value.get("created_at"), message, value.get("data")])
    return UpstreamEvent(
        id=event_id if len(event_id) <= LONGEST_ID else digest(event_id),
        level=LEVELS.get(str(value.get("level")), "info"),
        type="metrics" if value.get("type") == "metrics" else "message",
        message=message,
        data=data or None,
        created_at=find_moment(value.get("created_at")) or utc_now(),
    )


def read_checkpoint(value: Mapping[str, Any]) -> UpstreamCheckpoint | None:
    """Return a checkpoint; None for one that names no model or step."""
    model = find_name(value.get("fine_tuned_model_checkpoint"))
    step = find_whole(value, "step_number", LARGEST_STEP)
    if model is None or step is None:
        return None
    return UpstreamCheckpoint(
        id=cut_text(find_text(value, "id") or model, LONGEST_ID),
        step_number=step,
        model=model,
        metrics=find_object(value, "metrics"),
        created_at=find_moment(value.get("created_at")) or utc_now(),
    )


def digest(value: object) -> str:
    """Return a short name for any JSON value."""
    # Spelled as ever: these names stand in the tables.
    return hashlib.sha256(json.dumps(make_storable_json(value), sort_keys=True).encode()).hexdigest()[:32]
