"""Texts held to a client's schema in a process beside this one, whatever the schema asks for."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.texts.json_schemas.beside import (
    MOST_SCHEMA_BYTES,
    PROJECT_ROOT,
    TOO_DEAR,
    SchemaBeside,
    find_schema_fault,
)
from tests.support.interactive import eventually_async

HERO = {
    "type": "object",
    "required": ["hero", "deeds"],
    "properties": {"hero": {"type": "string", "pattern": "^[一-龥]+$"}, "deeds": {"items": {"maxLength": 5}}},
}
DOUBLING: dict[str, Any] = {
    "$defs": {
        **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(40)},
        "d40": {"type": "object"},
    },
    "$ref": "#/$defs/d0",
}
"""Forty references that double on every level."""


def is_at_work(process: int) -> bool:
    """Say whether a process is there, and no mere remnant."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
async def hero() -> AsyncIterator[SchemaBeside]:
    beside = SchemaBeside(HERO)
    yield beside
    await beside.close()


@pytest.mark.parametrize(
    ("text", "breach"),
    [
        ('{"hero": "奥特曼", "deeds": ["won"]}', None),
        ('{"hero": "奥特曼"}', 'breaks the schema at its top: "deeds" is a required property'),
        ('{"hero": "Ultra", "deeds": []}', 'breaks the schema at /hero: the value does not match "^[一-龥]+$"'),
        ('{"hero": "奥", "deeds": ["a", "a long one"]}', "/deeds/1: the value is longer than 5 characters"),
        ("once upon a time", "is no JSON"),
        ("```json\n{}\n```", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('"\\ud800', "is no JSON"),
    ],
)
async def test_a_text_that_breaks_the_schema_is_told_where(hero: SchemaBeside, text: str, breach: str | None) -> None:
    found = await hero.find_breach(text)
    assert found == breach or (breach is not None and found is not None and found.endswith(breach))


async def test_a_reason_is_short_however_long_the_text(hero: SchemaBeside) -> None:
    found = await hero.find_breach('{"hero": "' + "x" * 1_000_000 + '", "deeds": []}')
    assert found is not None
    assert len(found) < 400


async def test_many_texts_at_once_get_each_its_own_answer(hero: SchemaBeside) -> None:
    texts = [f'{{"hero": "奥", "deeds": ["{"x" * n}"]}}' for n in range(12)]
    found = await asyncio.gather(*(hero.find_breach(text) for text in texts))
    assert [one is None for one in found] == [n <= 5 for n in range(12)]


async def test_who_is_cancelled_between_question_and_answer_leaves_the_next_its_own(hero: SchemaBeside) -> None:
    assert await hero.find_breach("{}") is not None
    asked = asyncio.create_task(hero.find_breach('{"hero": "奥", "deeds": []}'))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await hero.find_breach("oops") == "is no JSON"


async def test_a_process_that_was_killed_is_begun_anew(hero: SchemaBeside) -> None:
    assert await hero.find_breach("{}") is not None
    assert hero._process is not None
    os.kill(hero._process.pid, 9)
    assert await hero.find_breach('{"hero": "奥", "deeds": []}') is None, "the text has not to answer for that"


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
async def test_a_process_whose_worker_is_asked_to_end_answers_it_to_the_last_text(
    hero: SchemaBeside, asked: signal.Signals
) -> None:
    assert await hero.find_breach("oops") == "is no JSON"
    process = hero._process
    assert process is not None
    process.send_signal(asked)  # as Ctrl-C, or a service manager, does to all processes of the group
    assert await hero.find_breach('{"hero": "奥", "deeds": []}') is None
    assert hero._process is process


async def test_a_process_ends_with_who_asks(tmp_path: Path) -> None:
    asker = tmp_path / "asker.py"
    asker.write_text(
        "import asyncio, sys\n"
        "from shared.texts.json_schemas.beside import SchemaBeside\n"
        "async def ask():\n"
        "    beside = SchemaBeside({'type': 'object'})\n"
        "    await beside.find_breach('{}')\n"
        "    print(beside._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(ask())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    asking = await asyncio.create_subprocess_exec(sys.executable, asker, stdout=PIPE, env=environment)
    assert asking.stdout is not None
    beside = int(await asking.stdout.readline())
    assert is_at_work(beside)
    asking.kill()
    await asking.wait()

    async def is_gone() -> bool:
        return not is_at_work(beside)

    await eventually_async(is_gone, timeout_seconds=20, what="the process to end")


async def test_a_schema_without_an_end_costs_a_second_and_not_the_loop() -> None:
    loop, longest = asyncio.get_running_loop(), 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            begun = loop.time()
            await asyncio.sleep(0.01)
            longest = max(longest, loop.time() - begun)

    ticking = asyncio.create_task(tick())
    beside = SchemaBeside(DOUBLING)
    assert await beside.find_breach("{}") == TOO_DEAR
    await beside.close()
    ticking.cancel()
    assert longest < 0.5


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (HERO, None),
        ({"$ref": "#"}, None),
        ({"$ref": "https://example.com/schema"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ({"$ref": "#/$defs/nobody"}, "does not exist"),
        ({"type": "strin"}, "at /type"),
        ({"properties": {"a": {"minLength": -1}}}, "at /properties/a/minLength"),
        ({"pattern": "(a"}, "regex"),
        ({"pattern": "(?=a)b"}, "regex"),
        ({"pattern": "(a{1000}){1000}"}, "regex"),
        ({"$schema": "https://example.com/own"}, "Unknown meta-schema"),
        ({"description": "x" * MOST_SCHEMA_BYTES}, f"at most {MOST_SCHEMA_BYTES}"),
    ],
)
def test_a_schema_that_cannot_be_meant_is_told_why(schema: dict[str, Any], fault: str | None) -> None:
    found = find_schema_fault(schema)
    assert found == fault or (fault is not None and found is not None and fault in found)


async def test_patterns_are_matched_in_linear_time() -> None:
    beside = SchemaBeside({"pattern": "^(a+)+$"})
    assert await beside.find_breach('"' + "a" * 100_000 + 'b"') is not None
    assert await beside.find_breach('"aaa"') is None
    await beside.close()
