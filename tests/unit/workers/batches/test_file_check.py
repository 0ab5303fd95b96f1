"""A batch's file: read line by line in flat memory, and what its lines ask for."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from services.workers.batches.beginning import build_rows, take_chunk
from services.workers.batches.file_check import FileCheck
from services.workers.batches.file_lines import iterate_file_lines
from services.workers.batches.line_check import BatchRequest, read_line
from shared.bounds import Bounds
from shared.texts.row_bound import bound_json

TEXT = "/v1/completions"
MEGABYTE = 1024 * 1024


def make_line(number: int, **body: Any) -> bytes:
    """Return a sound request, but for what `body` changes."""
    line = {"custom_id": f"id-{number}", "method": "POST", "url": TEXT, "body": {"model": "m", "prompt": "p", **body}}
    return json.dumps(line).encode() + b"\n"


def check(content: bytes, **bounds: int) -> FileCheck:
    """Return what is known of a file."""
    found = FileCheck(TEXT, Bounds(**bounds))  # type: ignore[arg-type]
    found.read(io.BytesIO(content))
    return found


def test_blank_lines_count_and_the_mark_of_an_editor_does_not() -> None:
    lines = list(iterate_file_lines(io.BytesIO(b"\xef\xbb\xbf{}\r\n\n  \n[]"), 100))
    assert [(line.number, line.content) for line in lines] == [(1, b"{}\r\n"), (4, b"[]")]


def test_a_line_that_is_too_long_is_told_and_the_next_one_is_read() -> None:
    lines = list(iterate_file_lines(io.BytesIO(b"a" * 2500 + b"\nb\n" + b"c" * 1000), 1000))
    assert [(line.number, len(line.content), line.is_cut) for line in lines] == [
        (1, 1001, True),
        (2, 2, False),
        (3, 1000, False),
    ]
    assert check(make_line(1, prompt="x" * 3000), max_body_bytes=1024).list_errors()[0]["code"] == "line_too_long"


def test_a_line_that_would_take_long_to_parse_is_refused_unread() -> None:
    found = check(make_line(1, logit_bias=[[]] * 200), max_json_nodes=100).list_errors()
    assert [(error["code"], "STORYMILL_MAX_JSON_NODES" in error["message"]) for error in found] == [
        ("line_too_long", True)
    ]


def test_a_file_of_too_many_requests_is_read_no_further() -> None:
    found = check(b"".join(make_line(number) for number in range(5)) + b"{", max_batch_lines=3)
    assert [(error["code"], error["line"]) for error in found.list_errors()] == [("too_many_requests_in_file", 4)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ["a", "b"]}, "body.prompt"),
        ({"prompt": None}, "body.prompt"),
        ({"model": 3}, "body.model"),
        ({"best_of": 2}, "body.best_of"),
        ({"stream": True}, "body.stream"),
    ],
)
def test_what_a_line_cannot_ask_for_is_named(body: dict[str, Any], param: str) -> None:
    [line] = iterate_file_lines(io.BytesIO(make_line(1, **body)), MEGABYTE)
    errors = read_line(line, TEXT, bound_json(Bounds()))
    assert isinstance(errors, list)
    assert [(error.line, error.param) for error in errors] == [(1, param)]


def test_a_line_whose_frame_is_nested_beyond_what_an_encoder_writes_is_told_with_its_number() -> None:
    deep: Any = "deep"
    for _ in range(300):
        deep = [deep]
    line = {"custom_id": "1", "method": deep, "url": deep, "body": {"model": "m", "prompt": "p"}}
    [first, second] = check(b"\n" + json.dumps(line).encode()).list_errors()
    assert [(first["code"], first["line"]), (second["code"], second["line"])] == [
        ("invalid_method", 2),
        ("invalid_url", 2),
    ]


def test_a_row_keeps_the_request_as_it_was_ordered_and_chunks_are_bounded() -> None:
    [line] = iterate_file_lines(io.BytesIO(make_line(1, z=1, a={"y": 1, "b": "\u0000"})), MEGABYTE)
    request = read_line(line, TEXT, bound_json(Bounds()))
    assert isinstance(request, BatchRequest)
    [row] = build_rows(iter([request]), "completion")
    assert row.attributes == {
        "custom_id": "id-1",
        "request": '{"model":"m","prompt":"p","z":1,"a":{"y":1,"b":"\\u0000"}}',
        "max_tokens": 16,
    }
    large = BatchRequest("id", "m", {"prompt": "x" * (3 * MEGABYTE)})
    rows = build_rows(iter([large] * 3), "completion")
    assert [len(take_chunk(rows)) for _ in range(3)] == [2, 1, 0]


class EndlessFile(io.RawIOBase):
    """A file of so many sound lines, none of which lies in memory before it is read."""

    def __init__(self, lines: int) -> None:
        self._lines: Iterator[bytes] = (make_line(number, prompt="x" * 4000) for number in range(lines))

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, or nothing."""
        return next(self._lines, b"")


def test_fifty_thousand_lines_are_checked_in_flat_memory() -> None:
    found = FileCheck(TEXT, Bounds())
    tracemalloc.start()
    found.read(EndlessFile(50_000))  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.requests, found.errors) == (50_000, [])
    assert peak < 16 * MEGABYTE, "200 MB went through"
