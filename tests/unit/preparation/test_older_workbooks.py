"""Workbooks of before 2007 and binary ones: read, or refused in silence and within bounds."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.read_file import read_file
from tests.support.old_workbooks import write_xls, write_xlsb
from tests.unit.preparation.test_awkward_files import pairs_of, write


@pytest.mark.parametrize(("name", "make"), [("a.xls", write_xls), ("a.xlsb", write_xlsb), ("a.csv", write_xls)])
def test_older_and_binary_workbooks_are_read(
    name: str, make: Callable[[list[tuple[str | float, ...]]], bytes], tmp_path: Path
) -> None:
    rows = [("Frage 1 ->", "schön, „故事“\n😀"), ("3", "007")]
    read = read_file(write(tmp_path, name, make([("prompt", "completion", "n"), (*rows[0], 1.5), (*rows[1], 2.0)])))
    assert (read.problems, read.set_notes, read.columns) == ([], {}, ["prompt", "completion", "n"])
    assert pairs_of(read) == rows
    read = read_file(write(tmp_path, name, make([("question", "answer"), ("Wie viele?", 3.0)])))
    assert pairs_of(read) == [("Wie viele?", "3")]


def test_a_workbook_that_its_library_panics_at_is_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write_xls([("prompt", "completion"), ("a", "b")])
    path = write(tmp_path, "a.xls", whole[:813])  # within its table of sectors
    with pytest.raises(UnreadableFileError, match="not a readable workbook"):
        read_file(path).store.close()
    assert capfd.readouterr().err == ""


def test_cells_too_far_apart_for_their_library_are_refused(tmp_path: Path) -> None:
    rows = [("prompt", "completion"), *[("a", "b")] * 20, tuple("c" * 16_384)]
    whole = write_xlsb(rows, number_rows=lambda row: row if row < 21 else 1_048_575)  # a rectangle of 412 GB
    with pytest.raises(UnreadableFileError, match="so far apart that they need more than 8192 MiB"):
        read_file(write(tmp_path, "a.xlsb", whole)).store.close()


def test_a_cell_beyond_the_last_column_is_refused(tmp_path: Path) -> None:
    whole = write_xlsb([("prompt", "completion"), tuple("c" * 16_385)])
    with pytest.raises(UnreadableFileError, match="stands in column 16385, and no sheet is so wide"):
        read_file(write(tmp_path, "a.xlsb", whole)).store.close()


def test_wide_and_empty_rows_of_a_workbook_cost_little(tmp_path: Path) -> None:
    rows = [("prompt", "completion"), *[("a", "b")] * 20, tuple("c" * 16_384)]
    whole = write_xlsb(rows, number_rows=lambda row: row if row < 21 else 1_500)
    tracemalloc.start()
    pairs = pairs_of(read_file(write(tmp_path, "a.xlsb", whole)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs == [("a", "b")] * 20 + [("c", "c")]
    assert most < 16 << 20


@pytest.mark.parametrize("make", [write_xls, write_xlsb])
def test_a_cut_workbook_is_refused(make: Callable[[list[tuple[str, ...]]], bytes], tmp_path: Path) -> None:
    whole = make([("prompt", "completion"), *[(f"{n}", "c" * 50) for n in range(40)]])
    with pytest.raises(UnreadableFileError, match="not a readable"):
        read_file(write(tmp_path, "a.xls", whole[: len(whole) // 2])).store.close()
