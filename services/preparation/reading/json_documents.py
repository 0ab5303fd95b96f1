"""A whole JSON document that holds rows in another way than one after another: pandas' orientations, rows by their ids,
rows beside a schema."""

from collections.abc import Iterator
from typing import Any, Final

ROW_KEYS: Final = frozenset({"prompt", "completion", "messages", "conversations", "instruction", "question", "text"})
ROW_LISTS: Final = ("data", "rows", "examples", "train", "items", "records")


def find_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the rows of a document; None when it is a row itself."""
    values = list(document.values())
    if not values:
        return None
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        return _from_split(document["columns"], document["data"])
    if all(isinstance(value, dict) for value in values):
        if ROW_KEYS & document.keys() and len({tuple(value) for value in values}) == 1:
            return _from_columns(document)
        if all(ROW_KEYS & value.keys() for value in values):
            return iter(values)
    if not ROW_KEYS & document.keys():
        held = next((document[name] for name in ROW_LISTS if isinstance(document.get(name), list)), None)
        return iter(held) if held and all(isinstance(row, dict) for row in held) else None
    return None


def _from_split(columns: list[Any], data: list[Any]) -> Iterator[dict[str, Any]]:
    for cells in data:
        yield dict(zip(map(str, columns), cells, strict=False)) if isinstance(cells, list) else cells


def _from_columns(document: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for index in next(iter(document.values())):
        yield {name: column[index] for name, column in document.items()}
