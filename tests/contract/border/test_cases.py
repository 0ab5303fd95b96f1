"""Answers of odd providers through a real socket, to a plain request, to a streamed one, and at volume in one run: what
a person could read is the text, paid once; what is none has its class."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from services.workers.generation.run import find_fault
from services.workers.generation.work_task import work_generation
from services.workers.process.context import open_context
from services.workers.process.settings import WorkerSettings
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.failures import LlmError
from shared.settings import Settings
from shared.stores.db.models import Story
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.upstream_script import Script, prompt_of
from tests.support.volume import VolumeBench, open_volume_bench

CASES = orjson.loads((Path(__file__).parent / "cases.json").read_bytes())
BODY = {"messages": [{"role": "user", "content": "说"}]}
TEXT = "从前有一位英雄,和奥特曼一起打败了怪兽。"
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What a case must become: a text with its reason, or a failure class."""

    text: str = TEXT
    reason: str = "stop"
    failure: str | None = None
    calls: int = 1
    """Tries of its row."""


OUTCOMES = {
    "string_message": Outcome(failure="malformed", calls=3),
    "empty_reasoning": Outcome(failure="empty", calls=3),
    "null_tools": Outcome(failure="tool_calls"),
    "finish_error": Outcome(failure="cut_connection", calls=5),
    "finish_MAX_TOKENS": Outcome("一半", "length"),
    "error_in_200": Outcome(failure="server_error", calls=9),
    "deep": Outcome(failure="malformed", calls=3),
    "lone_surrogate": Outcome(TEXT.replace("。", "\ufffd。")),
    "half_emoji": Outcome("从前有一😀位英雄,和奥特曼一起打败了怪兽。"),
    "finish_long": Outcome(reason="x" * 31 + "…"),
}
"""Of cases that are no plain success."""


def build_script(case: dict[str, Any]) -> Script:
    """Return what the provider sends."""
    if "chunks_base64" in case:
        return Script(raw_chunks=tuple(base64.b64decode(chunk) for chunk in case["chunks_base64"]))
    return Script(raw_body=base64.b64decode(case["body_base64"]), content_type=case["content_type"])


SCRIPTS = {
    case["case"]: build_script(case)
    for case in [*CASES["whole"], *CASES["stream"]]
    if "chunks_base64" in case or "body_base64" in case
}
NAMES = sorted(SCRIPTS)


def outcome_of(name: str) -> Outcome:
    return OUTCOMES.get(name, Outcome())


@pytest.fixture
async def client() -> AsyncIterator[LlmClient]:
    client = LlmClient()
    yield client
    await client.close()


@pytest.mark.parametrize("name", NAMES)
async def test_a_plain_request_reads_it(client: LlmClient, upstream: ScriptedUpstream, name: str) -> None:
    upstream.default, expected = SCRIPTS[name], outcome_of(name)
    answer: LlmAnswer | None = None
    try:
        answer = await client.complete(Target(Provider("scripted", upstream.url), MODEL), "chat", BODY)
        fault = find_fault(answer)
    except LlmError as error:
        fault = error
    assert (fault and str(fault.failure_class)) == expected.failure
    if expected.failure is None:
        assert answer is not None
        assert (answer.text, answer.finish_reason) == (expected.text, expected.reason)
    if answer is not None and b'"usage"' in (SCRIPTS[name].raw_body or b""):
        assert (answer.prompt_tokens, answer.completion_tokens) == (5, 7)


@pytest.mark.parametrize("name", NAMES)
async def test_a_streamed_request_reads_it(client: LlmClient, upstream: ScriptedUpstream, name: str) -> None:
    upstream.default, expected = SCRIPTS[name], outcome_of(name)
    deltas, failure = [], None
    async with client.stream(Target(Provider("scripted", upstream.url), MODEL), "chat", BODY) as stream:
        try:
            async for delta in stream:
                deltas.append(delta)
        except LlmError as error:
            failure = str(error.failure_class)
    if expected.failure in {"empty", "tool_calls"}:  # a client may want what stands beside
        assert (failure, any(delta.extra for delta in deltas)) == (None, True)
        return
    assert failure == expected.failure
    if failure is None:
        assert ("".join(delta.text for delta in deltas), stream.finish_reason) == (expected.text, expected.reason)


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    async with open_volume_bench(database_url, redis_url) as opened:
        yield opened


async def hurry(bench: VolumeBench) -> None:
    """Let nobody wait for the next try."""
    while True:
        async with bench.database.transaction() as session:
            await session.execute(update(Story).where(Story.status == "queued").values(not_before=None))
        await asyncio.sleep(0.05)


async def test_at_volume_each_becomes_a_story_paid_once_or_fails_by_its_class(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    upstream.choose = lambda call: SCRIPTS[prompt_of(call.body)]
    run_id = await bench.add(len(NAMES), template="{{ case }}", attributes={"case": NAMES}, format="chat")
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    context = await open_context(Settings.model_validate(values), WorkerSettings())
    hurrying = asyncio.create_task(hurry(bench))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await bench.run(run_id)).status not in {"succeeded", "failed"}:
                await work_generation(context, run_id)
    finally:
        hurrying.cancel()
        await context.close()
    found = {story.attributes["case"]: story for story in await bench.stories(run_id)}
    for name in NAMES:
        story, expected = found[name], outcome_of(name)
        assert (story.failure_class, len(upstream.calls_for(name))) == (expected.failure, expected.calls), name
        if expected.failure is None:
            assert (story.status, story.text, story.finish_reason) == ("succeeded", expected.text, expected.reason), (
                name
            )
    await bench.assert_counters_exact(run_id)


def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    """Return one event of a chat's stream."""
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}) + b"\n\n"


def call_piece(arguments: Any, **fields: Any) -> dict[str, Any]:
    """Return the delta of one piece of a tool call."""
    name = fields.pop("name", None)
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"tool_calls": [{**fields, "function": function}]}


@pytest.mark.parametrize(
    "pieces",
    [
        [call_piece('{"x":1}', index=0, id="a", name="f"), call_piece('{"y":2}', index=0, id="b", name="g")],
        [call_piece({"x": 1}, id="a", name="f"), call_piece({"y": 2}, id="b", name="g")],
        [call_piece('{"x":1}', index=0, name="f"), call_piece('{"y":2}', index=0, name="g")],
        [call_piece('{"x":', index=0, id="a", name="f"), call_piece("1}", index=0, id="a"),
         call_piece('{"y":', index=0, id="b", name="g"), call_piece("2}", index=0)],
        [call_piece('{"x":', index=5, id="a", name="f"), call_piece("1}", index=5),
         call_piece('{"y":', index=7, id="b", name="g"), call_piece("2}", index=7)],
    ],
)  # fmt: skip
async def test_two_tool_calls_are_two_whatever_their_indices(
    client: LlmClient, upstream: ScriptedUpstream, pieces: list[dict[str, Any]]
) -> None:
    chunks = tuple(event(piece) for piece in pieces)
    upstream.default = Script(raw_chunks=(*chunks, event({}, "tool_calls"), b"data: [DONE]\n\n"))
    target = Target(Provider("scripted", upstream.url), MODEL)
    calls = ((await client.complete(target, "chat", BODY)).extra or {})["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "f", "arguments": '{"x":1}'},
        {"name": "g", "arguments": '{"y":2}'},
    ]
    async with client.stream(target, "chat", BODY) as stream:
        beside = [delta.extra for delta in [delta async for delta in stream] if delta.extra]
    indices = [piece["index"] for extra in beside for piece in extra["tool_calls"]]
    assert sorted(set(indices)) == [0, 1]
    assert indices == sorted(indices)
