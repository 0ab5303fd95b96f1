"""Prompt and completion taken from where a person says: a column, or a path into objects and lists."""

from collections.abc import Iterable
from typing import Any, Final

from services.preparation.rows.shapes import ConversionError, Object, Shape

BETWEEN_PROMPTS: Final = ","
"""Between several fields of a prompt: `唐,隐形,轻松`, as a run's own dataset has it."""
SHOWN_NAMES: Final = 20


class _NoSuchFieldError(Exception):
    """The path leads nowhere; the message is how far it led."""


def choose_fields(prompt: str | None, completion: str | None) -> Shape:
    """Return the shape of objects whose prompt and completion stand at these paths."""
    asked, answered = prompt or "prompt", completion or "completion"

    def convert(value: Object) -> Object:
        used = [name for name in (*split_names(asked, value), answered) if name in value]
        rest = {name: other for name, other in value.items() if name not in {*used, "messages"}}
        return {"prompt": _take_prompt(value, asked), "completion": take_field(value, answered), **rest}

    return Shape("fields", f"{asked} → prompt, {answered} → completion", convert)


def split_names(text: str, names: Iterable[str]) -> list[str]:
    """Return the fields that a choice names: one, or several with commas between."""
    return [text] if text in names else [part.strip() for part in text.split(",") if part.strip()]


def find_missing(text: str, header: list[str]) -> str | None:
    """Return the first of the chosen fields whose column a table does not have."""
    names = split_names(text, header)
    return next((name for name in names if name not in header and name.split(".")[0] not in header), None)


def describe_names(names: Iterable[str]) -> str:
    """Return what a table or an object has, to choose from."""
    known = list(names)
    more = ", …" if len(known) > SHOWN_NAMES else ""
    return ", ".join(f"`{name[:80]}`" for name in known[:SHOWN_NAMES]) + more


def _take_prompt(value: Object, asked: str) -> object:
    names = split_names(asked, value)
    if len(names) == 1:
        return take_field(value, names[0])
    found = (take_field(value, name) for name in names)
    return BETWEEN_PROMPTS.join("" if one is None else one if isinstance(one, str) else str(one) for one in found)


def take_field(value: Object, path: str) -> Any:
    """Return what stands at a path: names and numbers (from 0, or from the end) with dots between; a name may hold
    dots itself. Raises: ConversionError when it leads nowhere."""
    try:
        return _follow(value, path)
    except _NoSuchFieldError as error:
        raise ConversionError(f"no field `{path}`: {error}") from error


def _follow(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        if path in value:
            return value[path]
        name, _, rest = path.partition(".")
        while rest and name not in value:
            more, _, rest = rest.partition(".")
            name = f"{name}.{more}"
        if not rest or name not in value:
            raise _NoSuchFieldError(f"there are {describe_names(value)}")
        return _follow(value[name], rest)
    name, _, rest = path.partition(".")
    if not isinstance(value, list):
        raise _NoSuchFieldError(f"`{name}` is looked for in {_kind(value)}")
    try:
        found = value[int(name)]
    except (ValueError, IndexError) as error:
        raise _NoSuchFieldError(f"`{name}` is looked for in a list of {len(value)}") from error
    return _follow(found, rest) if rest else found


def _kind(value: object) -> str:
    return "a text" if isinstance(value, str) else "a value that is neither object nor list"
