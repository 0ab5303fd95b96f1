"""Good answers, mutated: whatever a provider sends becomes a value that can be stored, or an error of a class."""

import base64
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from services.workers.fine_tuning.upstream.metric_names import read_result_metrics
from services.workers.fine_tuning.upstream.wire import parse_job, read_body, read_checkpoint, read_event
from services.workers.generation.run import find_fault
from services.workers.models.scoring import CannotScoreError, score_answer
from shared.contracts.storable import ESCAPED_NUL, encode_storable_json, make_storable_json
from shared.outside.providers.border.answers import Kind, LlmAnswer
from shared.outside.providers.border.fields import find_objects
from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.border.model_list import read_model_list
from shared.outside.providers.border.results import read_result
from shared.outside.providers.border.whole_answers import parse_answer
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.token_stream import TokenStream
from shared.settings import Settings
from shared.stores.db.recordset import encode_rows
from shared.stores.db.session import Database

FEW_TRIES, MANY_TRIES = 400, 10_000
CASES = orjson.loads((Path(__file__).parent / "cases.json").read_bytes())
STORED_AT_ONCE = 100
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63, 10**40, 1.5, float("nan"), float("inf"), -float("inf"), "", "x" * 5_000, "\x00",
    "\ud83d", "\ude00\ud83d", "唐🦸", [], {}, [[]], [None], {"": {}}, {"message": 3}, "12", "1e999", "\u2028", "\ufeff",
)  # fmt: skip
MESSAGE = {
    "role": "assistant",
    "content": "唐朝🦸",
    "refusal": None,
    "tool_calls": [{"id": "c", "function": {"name": "f"}}],
}
LOGPROBS = {
    "text_offset": [0, 1],
    "token_logprobs": [None, -0.5],
    "top_logprobs": [None, {"a": -0.5}],
    "tokens": ["a", "b"],
}
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}}
CHAT = {
    "id": "x",
    "model": "m",
    "choices": [{"message": MESSAGE, "finish_reason": "stop", "logprobs": LOGPROBS}],
    "usage": USAGE,
}
COMPLETION = {
    "model": "m",
    "choices": [{"text": "唐朝", "finish_reason": "length", "logprobs": LOGPROBS}],
    "usage": USAGE,
}
CHUNK = {"model": "m", "choices": [{"delta": MESSAGE, "finish_reason": None, "logprobs": LOGPROBS}], "usage": None}
LAST_CHUNK = {"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE}
ERROR = {"error": {"message": "no", "type": "server_error", "code": "c", "param": "p"}, "detail": [{"loc": ["body"]}]}
MODELS = {"object": "list", "data": [{"id": "m", "created": 1, "owned_by": "o", "extra": [1]}, {"id": "n"}]}
VECTORS = {"data": [{"index": 0, "embedding": [0.5, -1, 0]}, {"index": 1, "embedding": "AAAAPwAAgL4="}], "usage": USAGE}
MODERATION = {"id": "m", "model": "m", "results": [{"flagged": True, "categories": {"violence": True}}]}
JOB = {
    "id": "ftjob-1", "status": "running", "model": "b", "metadata": {"k": "v"}, "result_files": ["f", {"id": "g"}],
    "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}, "trained_tokens": 9,
    "error": {"code": "c", "message": "m", "param": None}, "created_at": 1_700_000_000, "fine_tuned_model": "ft:b",
}  # fmt: skip
EVENTS = {
    "data": [{"id": "e", "level": "info", "type": "metrics", "message": "m", "data": {"step": 1}, "created_at": 1}]
}
CHECKPOINTS = {"data": [{"id": "c", "fine_tuned_model_checkpoint": "m", "step_number": 2, "metrics": {"loss": 0.5}}]}
TABLE = "step,train_loss,valid_loss\n1,0.5,\n2,0.25,0.75\n"
HEADERS = ({}, {"retry-after": "soon"}, {"x-request-id": "\udcff\x00" * 300}, {"retry-after": "Mon, 99 Foo 9999 99:99"})


class Mutator:
    """Changes of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def change(self, value: Any) -> Any:
        """Return a JSON value with about one part in eight replaced, dropped, doubled or buried."""
        draw = self.random.random()
        if draw < 0.08:
            return self.random.choice(ODD_VALUES)
        if draw < 0.09:
            return self.bury(value)
        if isinstance(value, dict):
            items = [(key, self.change(item)) for key, item in value.items() if self.random.random() > 0.04]
            self.random.shuffle(items)
            return dict(items) | ({self.random.choice(("\x00", "k" * 500, "\ud83d")): 1} if draw > 0.97 else {})
        if isinstance(value, list):
            return [self.change(item) for item in value for _ in range(self.random.choice((1, 1, 1, 1, 0, 2)))]
        return value

    def bury(self, value: Any) -> Any:
        """Return a value deep inside lists."""
        for _ in range(self.random.choice((5, 98, 150, 300))):
            value = [value] if self.random.random() < 0.5 else {"d": value}
        return value

    def write(self, value: Any) -> bytes:
        """Return a value's bytes, now and then damaged."""
        raw = write_json(value)
        draw = self.random.random()
        if draw < 0.06:
            return raw[: self.random.randrange(len(raw) + 1)]
        if draw < 0.12:
            at = self.random.randrange(len(raw) + 1)
            return (
                raw[:at] + self.random.choice((b"\xff", b"\x00", b"\xed\xa0\x80", b"[" * 3_000, b"\\u0000")) + raw[at:]
            )
        return b"\xef\xbb\xbf" + raw if draw < 0.14 else raw

    def cut(self, raw: bytes) -> list[bytes]:
        """Return a body in pieces that end anywhere."""
        pieces = []
        while raw:
            size = self.random.choice((1, 7, 100, 10_000))
            pieces.append(raw[:size])
            raw = raw[size:]
        return pieces


def write_json(value: Any) -> bytes:
    """Return what a careless provider writes: NaN, halves of characters, integers of any size, any depth."""
    if isinstance(value, dict):
        return b"{" + b",".join(write_json(str(key)) + b":" + write_json(item) for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(write_json(item) for item in value) + b"]"
    if isinstance(value, str):
        return b'"' + b"".join(b"\\u%04x" % unit for unit in utf16_units(value)) + b'"'
    return {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity", "None": b"null"}.get(
        str(value), str(value).lower().encode()
    )


def utf16_units(value: str) -> list[int]:
    """Return a text's code units."""
    raw = value.encode("utf-16-le", "surrogatepass")
    return [raw[at] | raw[at + 1] << 8 for at in range(0, len(raw), 2)]


def describe_error(error: LlmError) -> list[Any]:
    """Return what is stored of a failure."""
    assert isinstance(error.failure_class, FailureClass)
    return [error.client_error(), error.message, error.request_id, error.retry_after_seconds]


def describe_answer(answer: LlmAnswer) -> list[Any]:
    """Return what is stored of an answer, held to the types that it promises."""
    assert isinstance(answer.text, str)
    for told, longest in ((answer.finish_reason, 32), (answer.model, 200), (answer.request_id, 200)):
        assert told is None or (isinstance(told, str) and len(told) <= longest)
    counts = (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
    assert all(count is None or 0 <= count < 2**31 for count in counts)
    answer.failure_class()
    fault = find_fault(answer)
    assert fault is not None or answer.text.strip(), "an empty story"
    stored: list[Any] = [answer.text, answer.finish_reason, answer.model, answer.request_id, answer.extra, *counts]
    try:
        score_answer(answer, "")
    except CannotScoreError as error:
        stored.append(error.message)
    return [*stored, *(describe_error(fault) if fault else [])]


async def read_stream(mutator: Mutator, kind: Kind, headers: dict[str, str]) -> list[Any]:
    """Read a mutated stream; return what is stored of it."""
    events = [mutator.write(mutator.change(body)) for body in (CHUNK, CHUNK, CHUNK, LAST_CHUNK)]
    raw = b"".join(b"data: " + event + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return await read_chunks(mutator.cut(raw), kind, headers)


async def read_chunks(pieces: list[bytes], kind: Kind, headers: dict[str, str]) -> list[Any]:
    """Read a stream that arrives in pieces; return what is stored of it."""
    left = [*pieces, b""]

    async def read() -> bytes:
        return left.pop(0)

    stream = TokenStream(kind, read, provider=Provider("p", "http://p/v1", None), request_id=None, headers=headers)
    stored: list[Any] = []
    try:
        async for delta in stream:
            stored += [delta.text, delta.extra]
    except LlmError as error:
        stored += describe_error(error)
    assert stream.finish_reason is None or len(stream.finish_reason) <= 32
    return [*stored, stream.finish_reason, stream.model]


def read_tuning(mutator: Mutator) -> list[Any]:
    """Read mutated objects of the fine-tuning protocol; return what is stored of them."""
    job = parse_job(mutator.write(mutator.change(JOB)))
    assert job.trained_tokens is None or 0 <= job.trained_tokens <= 2**62
    events = [read_event(item) for item in find_objects(read_body(mutator.write(mutator.change(EVENTS))), "data")]
    found = [
        read_checkpoint(item) for item in find_objects(read_body(mutator.write(mutator.change(CHECKPOINTS))), "data")
    ]
    table = read_result_metrics(mutator.cut(mutator.write(mutator.change(TABLE)) + TABLE.encode())[0])
    return [job, events, found, table]


def read_results(mutator: Mutator, headers: dict[str, str]) -> list[Any]:
    """Read mutated answers that hold no text; return what is stored of them."""
    judged = read_result("moderation", mutator.write(mutator.change(MODERATION)), headers, 1)
    found = read_result("embedding", mutator.write(mutator.change(VECTORS)), headers, 2)
    assert all(len(base64.b64decode(vector, validate=True)) % 4 == 0 for vector in found.result["vectors"])
    return [judged.result, judged.model, found.result, found.usage, found.request_id]


async def try_once(mutator: Mutator, number: int) -> list[Any]:
    """Read one mutated answer of the kind whose turn it is."""
    headers = mutator.random.choice(HEADERS)
    readers: list[Callable[[], list[Any]]] = [
        lambda: describe_answer(parse_answer("chat", mutator.write(mutator.change(CHAT)), headers)),
        lambda: describe_answer(parse_answer("completion", mutator.write(mutator.change(COMPLETION)), headers)),
        lambda: describe_error(
            error_from_response(mutator.random.choice((400, 429, 502)), mutator.write(mutator.change(ERROR)), headers)
        ),
        lambda: [read_model_list(mutator.write(mutator.change(MODELS)))],
        lambda: read_tuning(mutator),
        lambda: read_results(mutator, headers),
    ]
    try:
        if number % 7 == 6:
            return await read_stream(mutator, "chat", headers)
        return readers[number % 7]()
    except LlmError as error:
        return describe_error(error)


async def store(database: Database, values: list[Any]) -> None:
    """Write values as texts, as a JSON column and as rows; what Postgres gives back is what went in."""
    texts = [value for value in values if isinstance(value, str)]
    jsonb = encode_storable_json(values).decode()
    unpacked = "select value from json_to_recordset(cast(:raw as json)) as rows (value jsonb)"
    async with database.transaction() as session:
        kept = await session.scalars(text("select unnest(cast(:texts as text[]))"), {"texts": texts})
        assert list(kept) == texts
        for query, raw in (("select cast(:raw as jsonb)", jsonb), (unpacked, encode_rows([{"value": values}]))):
            found = await session.scalar(text(query), {"raw": raw})
            # The rows around the tries count as levels: both sides are cut where they would be.
            assert make_storable_json([{"value": found}]) == make_storable_json([{"value": values}])


@pytest.fixture
async def database(database_url: str) -> Any:
    opened = Database(Settings.model_validate({"database_url": database_url}))
    yield opened
    await opened.close()


@pytest.mark.parametrize("tries", [FEW_TRIES, pytest.param(MANY_TRIES, marks=pytest.mark.slow)])
async def test_a_mutated_answer_is_a_storable_value_or_a_failure_of_a_class(
    database: Database, chance: random.Random, tries: int
) -> None:
    seed = chance.randrange(2**32)
    waiting: list[Any] = []
    for number in range(tries):
        try:
            found = await try_once(Mutator(seed + number), number)
        except Exception as error:
            raise AssertionError(f"mutator {seed + number}, try {number}") from error
        assert ESCAPED_NUL not in orjson.dumps(found, default=str).replace(rb"\\", b"")  # sound, without any mending
        waiting.append(found)
        if len(waiting) == STORED_AT_ONCE:
            await store(database, flatten(waiting))
            waiting.clear()


def flatten(values: list[Any]) -> list[Any]:
    """Return the parts of many tries in one list, as JSON values."""
    return [orjson.loads(encode_storable_json(part, default=str)) for found in values for part in found]


@pytest.mark.parametrize("case", CASES["whole"], ids=lambda case: case["case"])
def test_an_answer_of_an_odd_provider_is_read_or_has_a_class(case: dict[str, Any]) -> None:
    raw = base64.b64decode(case["body_base64"])
    for kind in ("chat", "completion"):
        try:
            describe_answer(parse_answer(kind, raw, {}))  # type: ignore[arg-type]
        except LlmError as error:
            describe_error(error)


@pytest.mark.parametrize("case", ["parts", "bom_json", "nul_extra", "minus_infinity", "usage_strings"])
def test_an_answer_that_a_person_could_read_is_read(case: str) -> None:
    [found] = [item for item in CASES["whole"] if item["case"] == case]
    answer = parse_answer("chat", base64.b64decode(found["body_base64"]), {})
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == (found["text"], 5, 7)


@pytest.mark.parametrize(
    "case", [case for case in CASES["stream"] if "chunks_base64" in case], ids=lambda case: case["case"]
)
async def test_a_stream_of_an_odd_provider_is_read_or_has_a_class(case: dict[str, Any]) -> None:
    pieces = [base64.b64decode(chunk) for chunk in case["chunks_base64"]]
    assert await read_chunks(pieces, "chat", {})
