"""Stories as CSV, field by field."""

import csv
import io

import pytest

from services.gateway.generations.export import encode_csv, neutralise


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb", 'a"b', "a,b", "\r", ""])
def test_a_story_stays_one_field_whatever_line_ends_it_holds(text: str) -> None:
    rows = [["唐", text], ["宋", "x"]]
    written = encode_csv(rows).decode()
    assert list(csv.reader(io.StringIO(written, newline=""))) == rows
    assert written.endswith("宋,x\n")
    assert "\r" not in written.replace(text, "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_disarmed(text: str) -> None:
    assert neutralise(text) == f"'{text}"
