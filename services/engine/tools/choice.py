"""Which functions an answer may call, and whether it must."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
"""What OpenAI takes a function without parameters for."""


@dataclass(frozen=True)
class Tool:
    """A function as it is told to the model (`told`: OpenAI's object), and what its arguments must be."""

    name: str
    told: Mapping[str, Any]
    parameters: dict[str, Any]
    strict: bool


@dataclass(frozen=True)
class ToolChoice:
    """The functions told, those that may be called, whether one must be, and whether several may be at once."""

    told: tuple[Tool, ...]
    callable: tuple[Tool, ...]
    is_required: bool
    is_parallel: bool
