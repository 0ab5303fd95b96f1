"""In which line of a TOML file a value stands. The parser tells it of syntax errors alone."""

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def locate(path: Path, place: Sequence[str | int]) -> str:
    """Return where a value stands, for people: the file, the line if it is found, and the keys."""
    line = None
    with suppress(OSError, UnicodeDecodeError):
        line = find_line(path.read_text(encoding="utf-8"), place)
    where = f"{path}, line {line}" if line else str(path)
    return f"{where}: {'.'.join(str(part) for part in place)}"


def find_line(text: str, place: Sequence[str | int]) -> int | None:
    """Return the number of the line that holds the value at `place`, or the part of its way that is written last."""
    wanted = tuple(str(part) for part in place)
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        is_header = stripped.startswith("[")
        keys = read_keys(stripped if is_header else f"{stripped.partition('=')[0]}=0")
        if keys is None:
            continue
        path = keys if is_header else (*table, *keys)
        table = keys if is_header else table
        if path == wanted[: len(path)] and (best is None or len(path) > best[0]):
            best = (len(path), number)
    return best[1] if best else None


def read_keys(line: str) -> tuple[str, ...] | None:
    """Return the keys of a table's header or of `key = 0`; None for what is neither."""
    try:
        found = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    keys = []
    while isinstance(found, dict) and found:
        key, found = next(iter(found.items()))
        keys.append(key)
    return tuple(keys) or None
