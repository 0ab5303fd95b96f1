"""`storymill batches` as a person and as a program type it."""

import json
from pathlib import Path

import pytest

from tests.support.batches import TEXT, encode_lines, make_line
from tests.support.gateway import Mill, new_name
from tests.support.typed_commands import Terminal
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
async def terminal(mill: Mill, tmp_path: Path) -> Terminal:
    """A terminal of a project of its own."""
    return Terminal(mill, await mill.key(new_name("typed")), tmp_path)


async def test_a_file_is_answered_watched_and_collected(terminal: Terminal) -> None:
    requests, answers = terminal.folder / "requests.jsonl", terminal.folder / "answers.jsonl"
    requests.write_bytes(encode_lines([make_line(f"id-{number}", f"p{number}", TEXT) for number in range(6)]))
    made = json.loads(
        await terminal.run("batches", "create", requests, "--endpoint", TEXT, "--metadata", "a=b=c", "--json")
    )
    assert (made["metadata"], made["endpoint"]) == ({"a": "b=c"}, TEXT)
    watched = await terminal.run("batches", "watch", made["id"], "--output", answers)
    assert "completed: 6 of 6 requests answered" in watched
    assert [json.loads(line)["custom_id"] for line in answers.read_text().splitlines()] == [
        f"id-{number}" for number in range(6)
    ]
    assert (await terminal.run("batches", "list", "--ids")).split() == [made["id"]]
    listed = await terminal.run("batches", "list")
    assert MODEL in listed
    assert "completed" in listed
    again = await terminal.run("batches", "create", made["input_file_id"], "--endpoint", TEXT)
    assert "storymill batches watch batch_" in again
    refused = await terminal.run("batches", "cancel", made["id"], status=1)
    assert "only one that is validating or in_progress can be cancelled" in refused


async def test_a_bad_file_is_told_line_by_line(terminal: Terminal) -> None:
    requests = terminal.folder / "requests.jsonl"
    requests.write_bytes(encode_lines([make_line("1", "p"), make_line("1", "p")]) + b"oops\n")
    made = json.loads(await terminal.run("batches", "create", requests, "--json"))
    watched = await terminal.run("batches", "watch", made["id"], status=1)
    assert 'line 2: The custom_id "1" stands in line 1 already. (duplicate_custom_id)' in watched
    assert "line 3: This line is not parseable as valid JSON" in watched
    shown = json.loads(await terminal.run("batches", "show", made["id"], "--json"))
    assert [error["line"] for error in shown["errors"]["data"]] == [2, 3]
