"""A row of a client's file is never longer in memory than allowed, and never parsed when it would take long."""

import io

import orjson
import pytest

from shared.bounds import Bounds, setting_of
from shared.texts.row_bound import JSON_NODES, JSON_VALUES, ROW_BYTES, RowBound
from shared.texts.training_rows import BadLineError, parse_line

BOUND = RowBound.of(Bounds(max_row_bytes=1024, max_json_nodes=100, max_json_values=1000))


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole(end: bytes) -> None:
    lines = list(BOUND.read_lines(io.BytesIO(b"a" * 5000 + b"\nb\n" + b"c" * 1024 + b"\n" + b"d" * 1025 + end)))
    assert [len(line) for line in lines] == [1025, 2, 1025, 1025]
    assert [BOUND.find_excess(line) is None for line in lines] == [False, True, True, False]


@pytest.mark.parametrize(
    ("row", "setting"),
    [
        ({"prompt": "x" * 2000}, "STORYMILL_MAX_ROW_BYTES"),
        ({"messages": [[]] * 200}, "STORYMILL_MAX_JSON_NODES"),
    ],
)
def test_more_is_a_bad_line_by_the_name_of_its_setting(row: object, setting: str) -> None:
    line = orjson.dumps(row)
    with pytest.raises(BadLineError, match=setting):
        parse_line(line, BOUND)
    assert parse_line(line) == row


def test_the_settings_have_the_names_that_bounds_give_them() -> None:
    names = [setting_of(bound) for bound in ("max_row_bytes", "max_json_nodes", "max_json_values")]
    assert names == [ROW_BYTES, JSON_NODES, JSON_VALUES]
