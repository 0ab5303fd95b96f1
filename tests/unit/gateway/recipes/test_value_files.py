"""Values out of files: what can be meant is taken, everything else is refused with its line."""

import io

import pytest

from services.gateway.recipes.value_files import MAX_LINE_BYTES, ValueList, ValuesError, read_column
from shared.contracts.recipes.axis import Scalar


def read(content: bytes, name: str = "a.csv", column: str | None = "name", most_bytes: int = 1000) -> list[Scalar]:
    """Read a file of these bytes."""
    return read_column(io.BytesIO(content), name, column, ValueList(most_bytes, 5))


def test_a_column_is_read_in_its_order_and_each_value_once() -> None:
    content = '\ufeffid,name\n1,唐\n2,"宋\n朝"\n\n3,\n4,唐\n5\n'.encode()
    assert read(content) == ["唐", "宋\n朝"]
    assert read(content.replace(b",", b"\t"), "A.TSV") == ["唐", "宋\n朝"]
    assert read(b"only\na\nb\n", column=None) == ["a", "b"]


def test_json_lines_keep_their_kinds() -> None:
    lines = b'{"name": 1}\n\n{"name": true}\n{"name": "1"}\n{"name": null}\n{"name": 1.0}\n'
    assert read(lines, "a.jsonl") == [1, True, "1"]
    assert read('"唐"\n7\n'.encode(), "a.ndjson", None) == ["唐", 7]


@pytest.mark.parametrize(
    ("content", "name", "column", "words"),
    [
        (b"id,title\n1,a\n", "a.csv", "name", "it has no such column; its columns: 'id', 'title'"),
        (b"id,title\n1,a\n", "a.csv", None, "it has more than one column; its columns: 'id', 'title'"),
        (b"", "a.csv", "name", "no such column; its columns: none"),
        (b"name\n", "a.csv", "name", "it has no value"),
        ("name\n唐\n宋".encode()[:-1], "a.csv", "name", r"line 3 is not UTF-8 \(byte 1 of it\); save"),
        ("name\n唐".encode("utf-16"), "a.csv", "name", "line 1 is not UTF-8"),
        (b'name\n"a', "a.csv", "name", "line 2 is no CSV: unexpected end of data"),
        (
            b"name\n" + b"x" * 200_000,
            "a.csv",
            "name",
            "field larger than|larger than a recipe",
        ),
        (b"name\n" + b"x" * MAX_LINE_BYTES + b"y\n", "a.csv", "name", "line 2 is longer than 1048576 bytes"),
        (b"name\n" + b"\n".join(b"%d" % n for n in range(6)), "a.csv", "name", "more than 5 different values"),
        (b"name\n" + b"x" * 999 + b"\nyy", "a.csv", "name", "larger than a recipe may be"),
        (b'{"name": "a"}\n{"nam', "a.jsonl", "name", "line 2 is no JSON"),
        (b"[" * 100_000, "a.jsonl", "name", "line 1 is no JSON"),
        (b'{"title": "a"}\n', "a.jsonl", "name", "line 1 has no member of this name; its members: 'title'"),
        (b'{"name": {}}\n', "a.jsonl", "name", "line 1 holds a list or an object"),
        (b"name\na\n", "a.xlsx", "name", r"values come from \.csv, \.jsonl, \.ndjson, \.tsv"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    content: bytes, name: str, column: str | None, words: str
) -> None:
    with pytest.raises(ValuesError, match=words):
        read(content, name, column)
