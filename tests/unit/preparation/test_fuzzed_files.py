"""Files damaged at random: rows or a refusal with line and reason, never a traceback, and sound lines keep their rows.

A failing test prints the command that repeats its try.
"""

import json
import random
from pathlib import Path

import pytest

from services.preparation.reading.read_file import read_file
from tests.support.damaged_files import ChangedInSilenceError, damage_files, require_kept


def test_a_thousand_damaged_files_give_rows_or_reasons(tmp_path: Path, chance: random.Random) -> None:
    assert sum(1 for _ in damage_files(tmp_path, chance.randrange(10**9), 1_000)) == 1_000


@pytest.mark.slow
def test_twenty_thousand_damaged_files_give_rows_or_reasons(tmp_path: Path, chance: random.Random) -> None:
    assert sum(1 for _ in damage_files(tmp_path, chance.randrange(10**9), 20_000)) == 20_000


def test_two_stray_zeros_make_no_other_encoding_of_a_file(tmp_path: Path) -> None:
    rows = [(f"{n} ->", f"täglich 故事 {n}") for n in range(30)]
    lines = [json.dumps({"prompt": p, "completion": c}, ensure_ascii=False).encode() for p, c in rows]
    for end in (b"\x00\x00", b"}\x00\x00{"):
        hurt = [line + end if number in (4, 9) else line for number, line in enumerate(lines)]
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b"\n".join(hurt))
        read = read_file(path)
        with read.store as store:
            found = [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]
        require_kept([row for number, row in enumerate(rows) if number not in (4, 9)], found, "changed")


@pytest.mark.parametrize("found", [[], [("a", "b")], [("c", "d"), ("a", "b")], [("a", "b"), ("c", "?")]])
def test_a_row_changed_in_silence_is_noticed(found: list[tuple[str, str]]) -> None:
    with pytest.raises(ChangedInSilenceError):
        require_kept([("a", "b"), ("c", "d")], found, "changed")
