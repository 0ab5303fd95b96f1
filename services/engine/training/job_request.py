"""Reads the body of a job creation: today's `method`, and the older top-level `hyperparameters`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.engine.errors import InvalidRequestError
from services.engine.training.hyperparameters import (
    HyperparameterError,
    RequestedHyperparameters,
    parse_hyperparameters,
)
from services.engine.whole_numbers import to_whole

METHODS = ("supervised", "dpo")
LONGEST_SUFFIX_SENT = 64
"""In characters, as at OpenAI; names take fewer (model_names.py)."""
MOST_METADATA = 16
LONGEST_METADATA_KEY = 64
LONGEST_METADATA_VALUE = 512
SEED_BOUND = 2**63
"""Seeds are signed numbers of 64 bits."""


@dataclass(frozen=True)
class JobRequest:
    """A checked request. `seed` None: one will be drawn."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int | None
    metadata: dict[str, str] | None
    integrations: list[Any]
    method: str
    hyperparameters: RequestedHyperparameters


def parse_job_request(body: object) -> JobRequest:
    """Check a request body. Unknown fields are ignored, null means absent.

    Raises: InvalidRequestError for a missing model or training file, another method, and values of a wrong type or out
    of bounds.
    """
    if not isinstance(body, dict):
        raise InvalidRequestError("The body must be a JSON object.", code="invalid_type")
    method, hyperparameters = _read_method(body)
    return JobRequest(
        model=_get_string(body, "model"),
        training_file=_get_string(body, "training_file"),
        validation_file=_find_string(body, "validation_file") or None,
        suffix=_read_suffix(body),
        seed=_read_seed(body),
        metadata=_read_metadata(body),
        integrations=_read_integrations(body),
        method=method,
        hyperparameters=hyperparameters,
    )


def _read_method(body: Mapping[str, Any]) -> tuple[str, RequestedHyperparameters]:
    method = _find_object(body, "method", "method")
    if method is None:
        return "supervised", _read_hyperparameters(body, "hyperparameters")
    kind = method.get("type", "supervised")
    if kind not in METHODS:
        message = f"Method {kind!r} is not supported here; use one of: {', '.join(METHODS)}."
        raise InvalidRequestError(message, param="method.type", code="unsupported_method")
    inner = _find_object(method, kind, f"method.{kind}") or {}
    return kind, _read_hyperparameters(inner, f"method.{kind}.hyperparameters")


def _read_hyperparameters(holder: Mapping[str, Any], path: str) -> RequestedHyperparameters:
    values = _find_object(holder, "hyperparameters", path) or {}
    try:
        return parse_hyperparameters(values, path)
    except HyperparameterError as error:
        raise InvalidRequestError(f"{error}.", param=error.param, code="invalid_value") from error


def _read_suffix(body: Mapping[str, Any]) -> str | None:
    suffix = _find_string(body, "suffix")
    if suffix is not None and len(suffix) > LONGEST_SUFFIX_SENT:
        message = f"suffix may have at most {LONGEST_SUFFIX_SENT} characters."
        raise InvalidRequestError(message, param="suffix", code="string_above_max_length")
    return suffix


def _read_seed(body: Mapping[str, Any]) -> int | None:
    seed = to_whole(body.get("seed"))
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not -SEED_BOUND <= seed < SEED_BOUND:
        raise InvalidRequestError("seed must be a whole number of 64 bits.", param="seed", code="invalid_value")
    return seed


def _read_metadata(body: Mapping[str, Any]) -> dict[str, str] | None:
    metadata = _find_object(body, "metadata", "metadata")
    if metadata is None:
        return None
    good = len(metadata) <= MOST_METADATA and all(
        isinstance(value, str) and len(key) <= LONGEST_METADATA_KEY and len(value) <= LONGEST_METADATA_VALUE
        for key, value in metadata.items()
    )
    if not good:
        message = (
            f"metadata may hold {MOST_METADATA} pairs: keys of at most {LONGEST_METADATA_KEY} characters, "
            f"values strings of at most {LONGEST_METADATA_VALUE}."
        )
        raise InvalidRequestError(message, param="metadata", code="invalid_value")
    return dict(metadata)


def _read_integrations(body: Mapping[str, Any]) -> list[Any]:
    integrations = body.get("integrations")
    if integrations is None:
        return []
    if not isinstance(integrations, list) or not all(isinstance(item, dict) for item in integrations):
        raise InvalidRequestError("integrations must be a list of objects.", param="integrations")
    return integrations


def _get_string(body: Mapping[str, Any], name: str) -> str:
    value = _find_string(body, name)
    if not value:
        raise InvalidRequestError(
            f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
        )
    return value


def _find_string(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be a string.", param=name, code="invalid_type")
    return value


def _find_object(holder: Mapping[str, Any], name: str, path: str) -> dict[str, Any] | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidRequestError(f"{path} must be an object.", param=path, code="invalid_type")
    return value
