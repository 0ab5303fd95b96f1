"""The fast reader of tables agrees with the csv module wherever it does not stop, and stops where it must."""

import csv
import io
import random
from pathlib import Path

import pytest

from services.preparation.reading import regular_table
from services.preparation.reading.read_file import read_file
from services.preparation.reading.regular_table import DecodedChunks, RegularTable

TEXTS = [
    "",
    "a",
    "plain words",
    "唐,隐形",
    'says "no"',
    '"',
    '""',
    "two\nlines",
    "\n",
    "x\r\ny",
    "\r",
    " ",
    ",",
    ",,",
    "好。",
]
BROKEN = ['a"b,c', "a,b,c", "only", "", " ", 'x,"y"z', 'x,"open']


def _expected(text: str) -> tuple[list[tuple[str, ...]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    rows, lines, line = [], [], 1
    for row in reader:
        rows.append(tuple(row))
        lines.append(line)
        line = reader.line_num + 1
    return rows, lines


@pytest.mark.parametrize("seed", range(150))
def test_it_reads_what_the_csv_module_reads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(regular_table, "CHUNK_BYTES", chance.choice([3, 17, 1000]))
    width, end = chance.choice([1, 2, 3]), chance.choice(["\n", "\r\n"])
    out = io.StringIO()
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    for _ in range(30):
        writer.writerow(chance.choices(TEXTS, k=width))
        if chance.random() < 0.02:
            out.write(chance.choice(BROKEN) + end)
    text = out.getvalue()
    table = RegularTable(DecodedChunks(io.BytesIO(text.encode()), "utf-8"), ",", end, width, 1)
    rows, lines = [], []
    for columns, numbers in table:
        rows += list(zip(*columns, strict=True))
        lines += numbers
    expected_rows, expected_lines = _expected(text)
    assert rows == expected_rows[: len(rows)]
    assert lines == expected_lines[: len(lines)]
    if table.is_finished:
        assert len(rows) == len(expected_rows)
    elif len(rows) < len(expected_rows):
        assert table.next_line == expected_lines[len(rows)]


def test_a_large_file_is_read_the_same_around_a_broken_record(tmp_path: Path) -> None:
    rows = [(f"提示 {i}", f'故事 "{i}"\n第二行') for i in range(6000)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("prompt", "completion"), *rows])
    lines = out.getvalue().splitlines(keepends=True)
    lines.insert(9001, "a,b,c\n")
    path = tmp_path / "large.csv"
    path.write_text("".join(lines), encoding="utf-8")
    read = read_file(path)
    with read.store as store:
        found = [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]
        first_lines = [line for batch in store.batches() for line in batch.lines]
    assert found == rows
    assert [(p.code, p.line) for p in read.problems] == [("wrong_field_count", 9002)]
    assert first_lines[:3] == [2, 4, 6]
    assert first_lines[-1] == 2 + 2 * 5999 + 1
