"""The line of a table that names its columns, as people really write it: blanks, marks and doubles."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from services.preparation.reading.row_sink import RowSink, find_column
from services.preparation.rows.chosen_fields import describe_names

# A mark, zero-width characters and blanks of every width around a name.
AROUND_NAMES: Final = re.compile(r"^[\s\ufeff\u200b-\u200f\u2060]+|[\s\ufeff\u200b-\u200f\u2060]+$")
FIELDS: Final = ("prompt", "completion")


def clean_header(names: list[str], sink: RowSink) -> list[str]:
    """Return the names without what surrounds them; a name that stands again gets a number, and that is said."""
    clean = [AROUND_NAMES.sub("", name) for name in names]
    mended = [name for name, told in zip(clean, names, strict=True) if name != told.removeprefix("\ufeff")]
    if mended:
        sink.note_set("header_mended", describe_names(mended))
    doubles = [name for name, count in Counter(clean).items() if count > 1 and name]
    if doubles:
        sink.note_set("duplicate_column", f"{describe_names(doubles)}: the first of them is read")
    return list(_number_doubles(clean, set(doubles)))


def _number_doubles(names: list[str], doubles: set[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        yield f"{name}.{seen[name]}" if name in doubles and seen[name] else name
        seen[name] += 1


def is_header(names: list[str]) -> bool:
    """Whether prompt and completion are among the names."""
    clean = [AROUND_NAMES.sub("", name) for name in names]
    return all(find_column(clean, field) is not None for field in FIELDS)


def suggest_columns(columns: list[str]) -> str:
    """Return what to do about a file that lacks a column."""
    return (
        f" There are {describe_names(columns)}. Say which are learned with --prompt-field and --completion-field "
        "(over REST prompt_field, completion_field); if these are no names but the first row, put a line above it "
        "that says prompt,completion."
    )
