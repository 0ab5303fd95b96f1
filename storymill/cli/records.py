"""What the mill answered, for programs: a JSON object a line with every field, or the ids alone."""

import json
import sys
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def print_json(*records: Json) -> None:
    """Print each record on a line of its own, in signs that every encoding has where the output has few."""
    has_every_sign = (sys.stdout.encoding or "").lower().startswith("utf")
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=not has_every_sign) + "\n")


def print_for_programs(records: Iterable[Json], *, as_json: bool, ids: bool = False, name: str = "id") -> bool:
    """Print a list for a program, if that was asked for, and say whether; `ids`: each record's `name` alone."""
    if as_json:
        print_json(*records)
    elif ids:
        sys.stdout.writelines(f"{record[name]}\n" for record in records)
    return as_json or ids
