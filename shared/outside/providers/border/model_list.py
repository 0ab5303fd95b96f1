"""A provider's list of models."""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, find_name, find_text, find_whole
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.failures import FailureClass, LlmError

OWN_FIELDS: Final = frozenset({"id", "object", "created", "owned_by"})


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its provider lists it."""

    id: str
    created: int = 0
    """Seconds since the epoch; 0 where the provider does not say."""
    owned_by: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the provider's model object."""


def read_model_list(raw: bytes) -> list[ListedModel]:
    """Return the models that have a name to ask for them by. Raises: LlmError (malformed)."""
    data = read_object(raw, what="model list").get("data")
    if not isinstance(data, list):
        raise LlmError(FailureClass.MALFORMED, "the provider's model list has no data")
    found = (read_model(item) for item in data)
    return [model for model in found if model is not None]


def read_model(value: object) -> ListedModel | None:
    """Return a model object; None for what is none, or has no name."""
    if not isinstance(value, dict):
        return None
    name = value.get("id")
    model_id = find_name(name) if isinstance(name, str) else None
    if model_id is None:
        return None
    extra = {key: item for key, item in value.items() if key not in OWN_FIELDS}
    owner = find_text(value, "owned_by", LONGEST_NAME_CHARACTERS)
    return ListedModel(model_id, find_whole(value, "created") or 0, owner, extra)
