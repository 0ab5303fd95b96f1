"""Ids of a response's items: made of the response's own, so that a reference finds its item without a table."""

import re
from typing import Final

from shared import ids

PREFIXES: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}
OURS: Final = re.compile(r"(?:msg|rs|fc|fco)_([0-9a-f]{32})_i?[0-9]+")


def output_id(kind: str, unique: str, index: int) -> str:
    """Return the id of an output item by its place."""
    return f"{PREFIXES[kind]}_{unique}_{index}"


def input_id(kind: str, unique: str, index: int) -> str:
    """Return the id of an input item that came without one."""
    return f"{PREFIXES[kind]}_{unique}_i{index}"


def response_of(item_id: str) -> str | None:
    """Return the id of the response that an item belongs to, None for an id that is not ours."""
    found = OURS.fullmatch(item_id)
    return ids.RESPONSE + found[1] if found else None
