"""Bounds as clients see them."""

from shared.bounds import SHOWN, Bounds, setting_of
from shared.http.answers import Json


def list_limits(bounds: Bounds) -> list[Json]:
    """Return a line for each bound that a client can meet."""
    return [
        {
            "object": "limit",
            "name": name,
            "value": getattr(bounds, name),
            "description": field.description,
            "setting": setting_of(name),
        }
        for name, field in Bounds.model_fields.items()
        if field.json_schema_extra == SHOWN
    ]
