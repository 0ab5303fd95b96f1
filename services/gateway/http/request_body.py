"""What every body of a request is made of: nothing is guessed from another type, but a whole number is whole however
it is spelled. JSON has one kind of number, and clients whose language has one too send `20.0` for 20."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

LARGEST_EXACT: Final = 2**53
"""Beyond it a float stands for several integers, and which one was meant is not known."""


def to_whole(value: Any) -> Any:
    """Return the integer that a float stands for; anything else as it is."""
    is_whole = type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT
    return int(value) if is_whole else value


def take_whole_floats(schema: Any) -> Any:
    """Return a schema of pydantic's with `to_whole` before each integer; other bodies within are references."""
    if isinstance(schema, list | tuple):
        return type(schema)(take_whole_floats(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "int":
        return core_schema.no_info_before_validator_function(to_whole, schema)
    return {name: take_whole_floats(part) for name, part in schema.items()}


class RequestBody(BaseModel):
    """Read strictly: `20.0` is an integer; `20.5`, `"20"` and `true` are none."""

    model_config = ConfigDict(strict=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let each integer of the body be spelled as a float."""
        schema = handler(source)
        kept: Any = handler.resolve_ref_schema(schema)
        kept.update(take_whole_floats(kept))
        return schema
