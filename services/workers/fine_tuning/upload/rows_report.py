"""A job's training files, checked as providers check them: line by line, each problem with number and reason.

Blocking; streams, so that memory does not grow with the file. Knows no database and no provider."""

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Final

from shared.texts.row_bound import RowBound
from shared.texts.training_rows import BadLineError, RowFormat, check_row, encode_row, number_lines, parse_line

REPORTED_PROBLEMS: Final = 100
KEY_BYTES: Final = 12


@dataclass(slots=True)
class RowsReport:
    """What a file holds. `problems` names the first ones, `problem_count` counts all."""

    rows: int = 0
    format: RowFormat | None = None
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    overlapping: list[int] = field(default_factory=list)
    """Lines whose prompt is in the other file, the first ones."""
    overlap_count: int = 0


def check_rows(
    lines: Iterable[bytes], other_keys: Set[bytes] = frozenset(), bound: RowBound | None = None
) -> RowsReport:
    """Check every line, and count those whose prompt is among `other_keys`."""
    report = RowsReport()
    for number, line in number_lines(lines):
        try:
            row = parse_line(line, bound)
            found = check_row(row)
            report.format = report.format or found
            if found != report.format:
                raise BadLineError(f"this is a {found} example, but the file began with {report.format} examples")
        except BadLineError as error:
            report.problem_count += 1
            if len(report.problems) < REPORTED_PROBLEMS:
                report.problems.append(f"line {number}: {error}")
            continue
        report.rows += 1
        if other_keys and prompt_key(row) in other_keys:
            report.overlap_count += 1
            if len(report.overlapping) < REPORTED_PROBLEMS:
                report.overlapping.append(number)
    return report


def collect_keys(lines: Iterable[bytes], bound: RowBound | None = None) -> set[bytes]:
    """Return what the prompts of the usable rows are told apart by."""
    keys = set()
    for _, line in number_lines(lines):
        try:
            row = parse_line(line, bound)
            check_row(row)
        except BadLineError:
            continue
        keys.add(prompt_key(row))
    return keys


def prompt_key(row: dict[str, Any]) -> bytes:
    """Return what rows of the same prompt share; rows without a prompt are told apart by their completion."""
    if "messages" in row and "preferred_output" not in row:
        asked: Any = row["messages"][: find_last_answer(row["messages"])]
    elif "input" in row:
        asked = row["input"]
    else:
        asked = row["prompt"].strip() or row["completion"]
    value = asked or row
    return hashlib.blake2b(encode_row(value), digest_size=KEY_BYTES).digest()


def find_last_answer(messages: list[dict[str, Any]]) -> int:
    """Return the place of the last assistant message."""
    return max(index for index, message in enumerate(messages) if message["role"] == "assistant")
