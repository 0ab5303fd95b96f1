"""The objects of the fine-tuning protocol, read with tolerance: providers leave fields out and spell states anew."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.workers.fine_tuning.upstream.provider import UpstreamCheckpoint, UpstreamEvent, UpstreamJob
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB

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


def read_job(value: Mapping[str, Any]) -> UpstreamJob:
    """Return a job of an answer."""
    return UpstreamJob(
        id=str(value["id"]),
        status=read_status(value.get("status")),
        model=find_text(value, "model"),
        training_file=find_text(value, "training_file"),
        suffix=find_text(value, "suffix") or find_text(value, "user_provided_suffix"),
        metadata={str(key): str(item) for key, item in (value.get("metadata") or {}).items()},
        fine_tuned_model=find_text(value, "fine_tuned_model"),
        result_files=tuple(read_file_id(item) for item in value.get("result_files") or ()),
        trained_tokens=find_whole(value, "trained_tokens"),
        hyperparameters=read_hyperparameters(value),
        error=read_error(value.get("error")),
        estimated_finish=find_moment(value.get("estimated_finish")),
        created_at=find_moment(value.get("created_at")),
    )


def read_status(value: object) -> str:
    """Return one of our states; what nobody knows is taken as waiting."""
    status = str(value or "").lower()
    return status if status in FINE_TUNING_JOB.known else OTHER_SPELLINGS.get(status, "queued")


def read_file_id(value: object) -> str:
    """Return a result file's id, given as such or as an object."""
    return str(value["id"]) if isinstance(value, Mapping) else str(value)


def read_hyperparameters(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters as the provider settled them."""
    method = value.get("method") or {}
    inner = method.get(method.get("type") or "supervised") or {}
    found = inner.get("hyperparameters") or value.get("hyperparameters") or {}
    return clean_data(found)


def read_error(value: object) -> dict[str, Any] | None:
    """Return code, message and param of an error, None for one that says nothing."""
    if not isinstance(value, Mapping) or not (value.get("message") or value.get("code")):
        return None
    return {
        "code": str(value.get("code") or "upstream_error"),
        "message": str(value.get("message") or "The provider gave no reason."),
        "param": find_text(value, "param"),
    }


def read_event(value: Mapping[str, Any]) -> UpstreamEvent:
    """Return an event; one without an id gets one from what it says."""
    message = str(value.get("message") or "")
    data = value.get("data")
    moment = find_moment(value.get("created_at")) or utc_now()
    event_id = find_text(value, "id") or "made-" + digest([value.get("created_at"), message, data])
    return UpstreamEvent(
        id=event_id if len(event_id) <= LONGEST_ID else digest(event_id),
        level=LEVELS.get(str(value.get("level")), "info"),
        type="metrics" if value.get("type") == "metrics" else "message",
        message=message,
        data=clean_data(data) if isinstance(data, Mapping) and data else None,
        created_at=moment,
    )


def read_checkpoint(value: Mapping[str, Any]) -> UpstreamCheckpoint | None:
    """Return a checkpoint; None for one that names no model or step."""
    model, step = find_text(value, "fine_tuned_model_checkpoint"), find_whole(value, "step_number")
    if model is None or step is None:
        return None
    return UpstreamCheckpoint(
        id=str(value.get("id") or model),
        step_number=step,
        model=model,
        metrics=clean_data(value.get("metrics") or {}),
        created_at=find_moment(value.get("created_at")) or utc_now(),
    )


def clean_data(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return data that JSON can carry: what is not a finite number becomes its name (`nan`, `inf`)."""
    return {str(key): _clean(item) for key, item in value.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return clean_data(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def digest(value: object) -> str:
    """Return a short name for any JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def find_text(value: Mapping[str, Any], name: str) -> str | None:
    """Return a field that is a text with something in it."""
    found = value.get(name)
    return found if isinstance(found, str) and found else None


def find_whole(value: Mapping[str, Any], name: str) -> int | None:
    """Return a field that is a whole number."""
    found = value.get(name)
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)
    return int(found) if is_number and found is not None else None


def find_moment(value: object) -> datetime | None:
    """Return a time given in seconds since the epoch."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e11:
        return None
    return datetime.fromtimestamp(value, UTC)
