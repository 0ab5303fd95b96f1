"""A provider that refuses a word of ours is asked once more in its own, and remembered by all workers."""

from collections.abc import Callable
from typing import Any

import pytest

from services.workers.providers.dialect_store import RedisDialects
from shared.outside.providers.border.answers import Kind
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.dialects import Change, Dialects
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.redis.connection import open_redis
from tests.support.upstream import MODEL, Call, ScriptedUpstream
from tests.support.upstream_script import Script, rate_limited, story_for

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "唐朝的英雄"}], "max_tokens": 200}
FORBIDDEN = (
    b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"], '
    b'"msg": "Extra inputs are not permitted", "input": true}]}'
)


def refuse(word: str, raw: bytes | None = None, status: int = 400) -> Callable[[Call], Script | None]:
    """Refuse every request in which a field is set."""
    said = {"message": f"Unsupported parameter: '{word}' is not supported with this model.", "param": word}

    def choose(call: Call) -> Script | None:
        if not call.body.get(word):
            return None
        return Script(status=status, error=said, raw_body=raw)

    return choose


def target_at(upstream: ScriptedUpstream, **settings: Any) -> Target:
    return Target(Provider("scripted", upstream.url, **settings), MODEL)


async def read(client: LlmClient, target: Target, kind: Kind = "chat") -> str:
    async with client.stream(target, kind, CHAT) as stream:
        return "".join([delta.text async for delta in stream])


async def test_stream_options_are_left_out_after_one_refusal(client: LlmClient, upstream: ScriptedUpstream) -> None:
    upstream.choose = refuse("stream_options", FORBIDDEN, 422)
    for _ in range(3):
        assert await read(client, target_at(upstream)) == story_for(CHAT)
    assert ["stream_options" in call.body for call in upstream.calls] == [True, False, False, False]


@pytest.mark.parametrize(
    ("given", "refused", "said"),
    [("max_tokens", "max_tokens", "max_completion_tokens"), ("max_completion_tokens",) * 2 + ("max_tokens",)],
)
async def test_the_limit_is_said_in_the_other_word(
    client: LlmClient, upstream: ScriptedUpstream, given: str, refused: str, said: str
) -> None:
    upstream.choose = refuse(refused)
    body = {"messages": CHAT["messages"], given: 200}
    for _ in range(2):
        assert (await client.complete(target_at(upstream), "chat", body)).text == story_for(CHAT)
    assert [call.body.get(said) for call in upstream.calls] == [None, 200, 200]
    assert all(given not in call.body for call in upstream.calls[1:])


async def test_two_words_are_learnt_in_one_call(client: LlmClient, upstream: ScriptedUpstream) -> None:
    options, limit = refuse("stream_options", FORBIDDEN, 422), refuse("max_tokens")
    upstream.choose = lambda call: options(call) or limit(call)
    assert await read(client, target_at(upstream)) == story_for(CHAT)
    assert await read(client, target_at(upstream)) == story_for(CHAT)
    assert len(upstream.calls) == 4


async def test_a_model_that_may_not_stream_gives_whole_answers_to_streams(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    upstream.choose = refuse("stream")
    for _ in range(2):
        assert await read(client, target_at(upstream)) == story_for(CHAT)
    assert [call.body["stream"] for call in upstream.calls] == [True, False, False]
    assert "stream_options" not in upstream.calls[1].body


async def test_a_model_that_only_streams_gives_whole_answers_from_streams(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    said = "This model only support stream mode, please enable the stream parameter to access the model. "
    refusal = Script(status=400, error={"code": "invalid_parameter_error", "param": None, "message": said})
    upstream.choose = lambda call: None if call.body["stream"] else refusal
    for _ in range(2):
        answer = await client.complete(target_at(upstream), "chat", CHAT)
        assert (answer.text, answer.completion_tokens) == (story_for(CHAT), upstream.calls[-1].tokens_sent)
    assert [call.body["stream"] for call in upstream.calls] == [False, True, True]


async def test_a_change_that_does_not_help_is_tried_once_and_the_first_words_are_told(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(status=400, error={"message": "max_tokens unsupported here", "param": "max_tokens"})
    for calls in (2, 3):
        with pytest.raises(LlmError, match="max_tokens unsupported here") as caught:
            await client.complete(target_at(upstream), "chat", CHAT)
        assert caught.value.failure_class is FailureClass.INVALID_REQUEST
        assert len(upstream.calls) == calls


async def test_another_failure_in_between_teaches_nothing(client: LlmClient, upstream: ScriptedUpstream) -> None:
    refusal = Script(status=400, error={"message": "unsupported", "param": "max_tokens"})
    upstream.queue(refusal, rate_limited(), refusal)
    with pytest.raises(LlmError) as caught:
        await client.complete(target_at(upstream), "chat", CHAT)
    assert caught.value.failure_class is FailureClass.RATE_LIMITED
    assert (await client.complete(target_at(upstream), "chat", CHAT)).text == story_for(CHAT)


async def test_each_model_has_a_dialect_of_its_own(client: LlmClient, upstream: ScriptedUpstream) -> None:
    upstream.choose = refuse("max_tokens")
    await client.complete(target_at(upstream), "chat", CHAT)
    upstream.choose = None
    await client.complete(Target(target_at(upstream).provider, "other"), "chat", CHAT)
    assert upstream.calls[-1].body["max_tokens"] == 200


async def test_what_one_worker_learns_the_next_one_knows(redis_url: str, upstream: ScriptedUpstream) -> None:
    redis = open_redis(redis_url)
    upstream.choose = refuse("max_tokens")
    for calls in (2, 3):
        worker = LlmClient(Dialects(RedisDialects(redis)))
        await worker.complete(target_at(upstream), "chat", CHAT)
        await worker.close()
        assert len(upstream.calls) == calls
    assert await RedisDialects(redis).read("scripted") == {MODEL: {Change.MAX_COMPLETION_TOKENS}}
    await redis.aclose()


async def test_without_redis_a_worker_learns_by_itself(upstream: ScriptedUpstream) -> None:
    redis = open_redis("redis://127.0.0.1:9/0")
    upstream.choose = refuse("max_tokens")
    worker = LlmClient(Dialects(RedisDialects(redis)))
    for _ in range(2):
        assert (await worker.complete(target_at(upstream), "chat", CHAT)).text == story_for(CHAT)
    assert len(upstream.calls) == 3
    await worker.close()
    await redis.aclose()


async def test_a_model_that_was_mended_is_spoken_to_in_the_old_words_again(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    upstream.choose = refuse("max_tokens")
    await client.complete(target_at(upstream), "chat", CHAT)
    upstream.choose = refuse("max_completion_tokens")
    for _ in range(2):
        assert (await client.complete(target_at(upstream), "chat", CHAT)).text == story_for(CHAT)
    assert ["max_tokens" in call.body for call in upstream.calls] == [True, False, False, True, True]
