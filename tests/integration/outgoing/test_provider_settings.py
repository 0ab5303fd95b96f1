"""What `providers.toml` says about one provider reaches it, in every request."""

import asyncio
import ssl
from pathlib import Path

import pytest

from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.failures import FailureClass, LlmError
from tests.support.tuning_bench import open_tuning_bench
from tests.support.tuning_upstream import TuningUpstream
from tests.support.upstream import MODEL, ScriptedUpstream

BODY = {"prompt": "唐朝的英雄", "max_tokens": 9, "user": "me"}


async def test_headers_and_fields_go_with_calls_and_streams(client: LlmClient, upstream: ScriptedUpstream) -> None:
    headers = (("x-team", "stories"), ("authorization", "Basic abc"))
    body = {"provider": {"data_collection": "deny"}, "user": "mill"}
    target = Target(Provider("p", upstream.url, "sk-test", headers=headers, body=body), MODEL)
    await client.complete(target, "completion", BODY)
    async with client.stream(target, "completion", BODY) as stream:
        assert [delta async for delta in stream]
    for call in upstream.calls:
        seen = {name.lower(): value for name, value in call.headers.items()}
        assert (seen["x-team"], seen["authorization"]) == ("stories", "Basic abc")
        assert (call.body["provider"], call.body["user"]) == ({"data_collection": "deny"}, "mill")
        assert (call.body["model"], call.body["max_tokens"]) == (MODEL, 9)


async def test_a_providers_own_certificates_are_trusted_for_it_alone(
    client: LlmClient, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    upstream = ScriptedUpstream()
    upstream.tls = server_tls
    async with upstream:
        assert await client.complete(Target(Provider("p", upstream.url, ca_file=ca_file), MODEL), "completion", BODY)
        with pytest.raises(LlmError, match="cannot connect"):
            await client.complete(Target(Provider("q", upstream.url), MODEL), "completion", BODY)


async def test_a_server_that_never_shakes_hands_is_unreachable_soon(client: LlmClient) -> None:
    silent = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    held: list[asyncio.StreamWriter] = []
    url = f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}/v1"
    with pytest.raises(LlmError) as caught:
        await client.complete(Target(Provider("p", url, connect_timeout_seconds=0.2), MODEL), "completion", BODY)
    assert caught.value.failure_class is FailureClass.UNREACHABLE
    silent.close()
    for writer in held:
        writer.close()


async def test_headers_go_with_fine_tuning_too(tmp_path: Path, database_url: str, redis_url: str) -> None:
    async with (
        TuningUpstream() as provider,
        open_tuning_bench(tmp_path, database_url, redis_url, provider.url) as bench,
    ):
        bench.override(headers=(("x-team", "stories"),))
        held = await bench.claim(await bench.add())
        assert held is not None
        await held.provider.find_file("rows.jsonl", 1)
        await held.provider.close()
        assert provider.headers[-1]["x-team"] == "stories"
