"""Which columns of a table are the prompt and the completion: as a person says, or as an export of stories has them.

Writes rows under the names that a preparation reads. Knows no mill."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from storymill.client.errors import ClientError

PROMPT: Final = "prompt"
COMPLETION: Final = "completion"
STORY: Final = "story"
"""The last column of an exported run; those before it are the recipe's attributes."""
SEPARATOR: Final = ","
"""Between several columns of a prompt: `唐,隐形,轻松`, as a run's own dataset has it."""
DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
JSON_LINES: Final = ".jsonl"
EXPORT_EXTRAS: Final = frozenset(
    {
        *("id", "position", "repeat", "finish_reason", "model", "prompt_tokens", "completion_tokens", "sha256"),
        *("review", "status", "cost_usd"),
    }
)
"""What an export says of a story beside its attributes."""
LONGEST_FIELD: Final = 16 * 1024 * 1024

Row = dict[str, Any]


def choose_columns(path: Path, prompt: str | None, completion: str | None) -> tuple[list[str], str] | None:
    """Return the columns of the prompt and that of the completion; None where the file has them under their own names,
    or is of a kind that is read as it is. Raises: ClientError when a named column is not there."""
    names = read_names(path)
    if names is None:
        if prompt or completion:
            known = ", ".join((*DELIMITERS, JSON_LINES))
            raise ClientError(f"{path}: columns are chosen in files named {known}.")
        return None
    if not prompt and not completion:
        return recognise_export(names)
    chosen = (split_names(prompt or PROMPT, names), completion or COMPLETION)
    for name in (*chosen[0], chosen[1]):
        if name not in names:
            raise ClientError(f"{path} has no column {name}; there are: {', '.join(names)}.")
    return chosen


def recognise_export(names: list[str]) -> tuple[list[str], str] | None:
    """Return the columns of an exported run, None for other files."""
    lower = {name.lower() for name in names}
    if STORY not in names or COMPLETION in lower or PROMPT in lower or "messages" in lower:
        return None
    attributes = [name for name in names if name != STORY and name not in EXPORT_EXTRAS]
    return (attributes, STORY) if attributes else None


def split_names(text: str, names: list[str]) -> list[str]:
    """Return the columns that an option names: one, or several with commas between."""
    return [text] if text in names else [part.strip() for part in text.split(",") if part.strip()]


def read_names(path: Path) -> list[str] | None:
    """Return a table's columns; None for a file that is no table in plain text, and for one that cannot be read so."""
    try:
        return list(next(read_rows(path), {})) if path.suffix.lower() in {*DELIMITERS, JSON_LINES} else None
    except (UnicodeDecodeError, ValueError, csv.Error):
        return None


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a csv, tsv or jsonl file in UTF-8. Raises: ValueError for what is none."""
    csv.field_size_limit(LONGEST_FIELD)
    suffix = path.suffix.lower()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if suffix == JSON_LINES:
            for line in filter(str.strip, lines):
                row = json.loads(line)
                yield {**row.pop("attributes"), **row} if isinstance(row.get("attributes"), dict) else row
            return
        yield from csv.DictReader(lines, delimiter=DELIMITERS[suffix], strict=True)


def write_chosen(path: Path, prompt: list[str], completion: str, target: Path) -> int:
    """Write the chosen columns as prompt and completion, the others as they are; returns the rows. Raises: ClientError
    with the row that cannot be read."""
    count = 0
    try:
        with target.open("w", encoding="utf-8") as out:
            for row in read_rows(path):
                count += 1
                rest = {name: value for name, value in row.items() if name not in {*prompt, completion}}
                texts = {
                    PROMPT: SEPARATOR.join(str(row.get(name) or "") for name in prompt),
                    COMPLETION: str(row.get(completion) or ""),
                }
                out.write(json.dumps({**texts, **rest}, ensure_ascii=False) + "\n")
    except (UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise ClientError(f"{path}: row {count + 1} cannot be read ({error}).") from error
    return count
