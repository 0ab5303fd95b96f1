"""What a person names as the rows of a dataset: files, folders, patterns, standard input, a folder of Hugging Face."""

import glob
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storymill.client.errors import ClientError

STANDARD_INPUT: Final = "-"
HUGGING_FACE: Final = "hf:"
TABLES: Final = frozenset({".arrow", ".parquet"})
TRAINING_SPLIT: Final = "train"
SPLIT: Final = re.compile(r"(?:^|[-_.])(train|training|validation|valid|val|dev|test|eval)(?=[-_.]|$)", re.IGNORECASE)
NO_ROWS: Final = re.compile(
    r"^[._]|^(README|LICENSE|NOTICE)\b|_(prepared(_train|_valid)?|corrected|rejected)( \(\d+\))?\."
)
"""Files of a folder that are passed over: hidden ones, what describes the others, and what a preparation wrote."""


@dataclass(frozen=True, slots=True)
class FoundSources:
    """The files in order, what the results are called by, and what is to be said of the choice."""

    paths: list[Path]
    name: Path
    notes: list[str]


def find_sources(texts: Sequence[str], scratch: Path) -> FoundSources:
    """Return the files that are meant. Standard input is kept in `scratch`. Raises: ClientError for what is not
    there."""
    paths: list[Path] = []
    notes: list[str] = []
    for text in texts:
        if text == STANDARD_INPUT:
            paths.append(keep_standard_input(scratch))
        elif text.startswith(HUGGING_FACE):
            found, note = find_hugging_face(text.removeprefix(HUGGING_FACE))
            paths += found
            notes += [note] if note else []
        else:
            paths += find_files(text)
    return FoundSources(paths, name_results(texts[0], paths[0]), notes)


def name_results(text: str, first: Path) -> Path:
    """Return the path whose name the results bear: a folder's own, or that of the first file."""
    if text == STANDARD_INPUT:
        return Path("stdin")
    folder = Path(text.removeprefix(HUGGING_FACE).partition("#")[0])
    return folder if folder.is_dir() else first


def find_files(text: str) -> list[Path]:
    """Return the file, the files of a folder, or those that a pattern fits."""
    path = Path(text)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.is_file() and not is_passed_over(one.relative_to(path)))
        if not found:
            raise ClientError(f"The folder {path} has no files.")
        return found
    if glob.has_magic(text):
        found = sorted(one for one in map(Path, glob.glob(text, recursive=True)) if one.is_file())
        if not found:
            raise ClientError(f"No file fits {text}.")
        return found
    raise ClientError(f"There is no file {path}. (A run's id begins with gen_.)")


def is_passed_over(path: Path) -> bool:
    """Whether a file of a folder holds no rows to learn."""
    return NO_ROWS.search(path.name) is not None or any(part.startswith(".") for part in path.parts)


def keep_standard_input(scratch: Path) -> Path:
    """Write standard input to a file. Raises: ClientError when it is a terminal, or empty."""
    if sys.stdin.isatty():
        raise ClientError("Rows are read from standard input (-): pipe them in, or name a file.")
    path = scratch / "stdin"
    with path.open("wb") as out:
        shutil.copyfileobj(sys.stdin.buffer, out)
    if not path.stat().st_size:
        raise ClientError("Standard input is empty.")
    return path


def find_hugging_face(text: str) -> tuple[list[Path], str | None]:
    """Return the tables of a split (`DIR#SPLIT`; `train` unless named) as `datasets` saves, caches or downloads them,
    and what was left out. Raises: ClientError when there is no such folder or split."""
    name, _, wanted = text.partition("#")
    folder = Path(name)
    if not folder.is_dir():
        raise ClientError(f"There is no folder {folder}. (Only local folders are read: download the dataset first.)")
    splits = group_by_split(folder)
    if not splits:
        raise ClientError(f"The folder {folder} has no Arrow or Parquet files.")
    known = ", ".join(sorted(splits))
    chosen = wanted or (TRAINING_SPLIT if len(splits) > 1 else next(iter(splits)))
    if chosen not in splits:
        raise ClientError(f"{folder} has no split {chosen}; there are: {known}. Name one: {HUGGING_FACE}{folder}#SPLIT")
    others = sorted(splits.keys() - {chosen})
    note = f"{folder}: the split {chosen} is read; left out: {', '.join(others)}." if others else None
    return splits[chosen], note


def group_by_split(folder: Path) -> dict[str, list[Path]]:
    """Return the tables of every split, in order."""
    splits: dict[str, list[Path]] = {}
    for path in sorted(one for one in folder.rglob("*") if one.suffix in TABLES and one.is_file()):
        if (path.parent / "state.json").is_file() and path.name not in list_saved(path.parent):
            continue  # what a mapping left in its cache
        splits.setdefault(find_split(path.relative_to(folder)), []).append(path)
    return splits


def list_saved(folder: Path) -> set[str]:
    """Return the tables that `save_to_disk` says a folder consists of. Raises: ClientError when it says nothing."""
    state = folder / "state.json"
    try:
        return {str(one["filename"]) for one in json.loads(state.read_bytes())["_data_files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ClientError(f"{state} does not list the files of a dataset.") from error


def find_split(path: Path) -> str:
    """Return the split that a table belongs to, by its name or its folders'; all of an unnamed one are of one."""
    for part in reversed(path.with_suffix("").parts):
        found = SPLIT.search(part)
        if found:
            name = found.group(1).lower()
            return {"training": TRAINING_SPLIT, "valid": "validation", "val": "validation", "dev": "validation"}.get(
                name, name
            )
    return path.parts[0] if len(path.parts) > 1 else TRAINING_SPLIT
