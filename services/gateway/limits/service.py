"""Bounds as clients see them."""

from collections.abc import Mapping

from shared.bounds import SHOWN, Bounds, setting_of
from shared.http.answers import Json


def list_limits(bounds: Bounds, used: Mapping[str, int]) -> list[Json]:
    """Return a line for each bound that a client can meet; `used` is how much of some the project has."""
    return [
        {
            "object": "limit",
            "name": name,
            "value": getattr(bounds, name),
            "used": used.get(name),
            "description": field.description,
            "setting": setting_of(name),
        }
        for name, field in Bounds.model_fields.items()
        if field.json_schema_extra == SHOWN
    ]
