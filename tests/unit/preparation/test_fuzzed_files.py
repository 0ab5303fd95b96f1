"""Files damaged at random: rows or a refusal with line and reason, never a traceback, and sound lines keep their rows.

The chances come from the fixture; a failing test prints the seed that repeats it.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.preparation.errors import DatasetError
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.test_awkward_files import make_book, pairs_of

ROWS = [(f"Frage {n} ->", f'schön, "für" 故事\n{n}') for n in range(6)]
NAMES = ("a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a.xlsx", "a.parquet", "a")
WRONG: tuple[Any, ...] = (None, 3, 1.5, True, [], {}, "x", [None], [3], {"a": 1}, "")
PIECES = (b"null", b"3", b"[]", b"{}", b'"x"', b"\x00", b"\xff", b"1e999", b"NaN", b'"', b"\r", b"\xef\xbb\xbf")
SHAPES: tuple[Callable[[str, str], dict[str, Any]], ...] = (
    lambda p, c: {"prompt": p, "completion": c},
    lambda p, c: {"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": c}]},
    lambda p, c: {"conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": c}]},
    lambda p, c: {"instruction": p, "input": "x", "output": c, "history": [["a", "b"]]},
    lambda p, c: {"prompt": p, "chosen": c, "rejected": "n"},
    lambda p, c: {"contents": [{"role": "user", "parts": [{"text": p}]}, {"role": "model", "parts": [{"text": c}]}]},
    lambda p, c: {"data": {"text": p}, "annotations": [{"result": [{"value": {"text": [c]}}]}]},
    lambda p, c: {"custom_id": p, "response": {"body": {"choices": [{"message": {"content": c}}]}}},
    lambda p, c: {"attributes": {"a": p}, "story": c, "repeat": 0},
)


def lines_of(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(encoding: str, delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("prompt", "completion"), *ROWS])
    return out.getvalue().encode(encoding, "replace")


def sources() -> list[bytes]:
    shaped = [[shape(*row) for row in ROWS] for shape in SHAPES]
    texts = [table("utf-8", ","), table("cp1252", ";"), table("gb18030", ","), table("utf-16", "\t")]
    documents = [json.dumps(rows, indent=1).encode() for rows in shaped] + [json.dumps({"data": shaped[0]}).encode()]
    book = make_book([("prompt", "completion"), *ROWS])
    return [*texts, *documents, *map(lines_of, shaped), book, gzip.compress(texts[0])]


def damage(whole: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Flip, cut, splice and cross."""
    hurt = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at, kind = chance.randrange(len(hurt) + 1), chance.random()
        if kind < 0.4 and at < len(hurt):
            hurt[at] = chance.randrange(256)
        elif kind < 0.55:
            del hurt[at : at + chance.randint(1, 60)]
        elif kind < 0.7:
            other = chance.choice(others)
            start = chance.randrange(len(other))
            hurt[at:at] = other[start : start + chance.randint(1, 80)]
        elif kind < 0.75:
            del hurt[at:]
        else:
            hurt[at:at] = chance.choice(PIECES)
    return bytes(hurt)


def mistype(value: Any, chance: random.Random) -> Any:
    """Put a wrong type at some place of an object."""
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        chosen = chance.choice(keys)
        changed = {key: value[key] for key in keys}
        changed[chosen] = mistype(value[chosen], chance)
        return changed if isinstance(value, dict) else list(changed.values())
    return chance.choice(WRONG)


def expect_rows_or_reasons(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read = read_file(path)
    except DatasetError:
        return
    read.store.close()
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in read.problems)


def hurt_files(folder: Path, chance: random.Random, tries: int) -> None:
    whole = sources()
    for _ in range(tries):
        expect_rows_or_reasons(folder / chance.choice(NAMES), damage(chance.choice(whole), whole, chance))
        shape = chance.choice(SHAPES)
        rows = [shape(*row) for row in ROWS]
        mixed = [mistype(row, chance) if chance.random() < 0.5 else row for row in rows]
        expect_rows_or_reasons(folder / "b.jsonl", lines_of(mixed))


def hurt_lines(folder: Path, chance: random.Random, tries: int) -> None:
    """Whole lines that nothing happened to give their rows, in order, whatever happens to the others."""
    rows = [{"prompt": f"{n} ->", "completion": f"täglich 故事 {n}"} for n in range(30)]
    for _ in range(tries):
        hurt = set(chance.sample(range(1, len(rows)), 5))
        lines = [
            damage(lines_of([row]), [b"}{", b'"'], chance) if n in hurt else lines_of([row])
            for n, row in enumerate(rows)
        ]
        path = folder / "lines.jsonl"
        path.write_bytes(b"\n".join(lines))
        found = pairs_of(read_file(path))
        sound = [(row["prompt"], row["completion"]) for n, row in enumerate(rows) if n not in hurt]
        kept = iter(found)
        assert all(pair in kept for pair in sound)


def test_a_damaged_file_gives_rows_or_reasons(tmp_path: Path, chance: random.Random) -> None:
    hurt_files(tmp_path, chance, 400)


def test_damage_to_lines_changes_no_other_line(tmp_path: Path, chance: random.Random) -> None:
    hurt_lines(tmp_path, chance, 100)


def test_two_stray_zeros_make_no_other_encoding_of_a_file(tmp_path: Path) -> None:
    hurt_lines(tmp_path, random.Random(601), 1)  # one of them before a line's end


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_thousand_damaged_files_give_rows_or_reasons(tmp_path: Path, chance: random.Random) -> None:
    hurt_files(tmp_path, chance, 10_000)
    hurt_lines(tmp_path, chance, 1_000)
