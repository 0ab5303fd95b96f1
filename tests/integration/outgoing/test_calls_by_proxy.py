"""Calls to a provider that only a proxy reaches, and to one whose certificate is a company's own."""

import ssl
from pathlib import Path

import pytest

from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import ENGINE, Provider, Target, list_builtin
from shared.outside.providers.failures import FailureClass, LlmError
from shared.settings import Settings
from tests.integration.outgoing.conftest import PROVIDER
from tests.support.forward_proxy import ForwardProxy
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.upstream_script import story_for

BODY = {"prompt": "唐朝的英雄", "max_tokens": 200}


def provider_at(url: str) -> Target:
    return Target(Provider("scripted", url, "sk-test"), MODEL)


async def read_stream(client: LlmClient, target: Target) -> str:
    async with client.stream(target, "completion", BODY) as stream:
        return "".join([delta.text async for delta in stream])


async def assert_both_answer(client: LlmClient, target: Target) -> None:
    assert (await client.complete(target, "completion", BODY)).text == story_for(BODY)
    assert await read_stream(client, target) == story_for(BODY)


async def fail(client: LlmClient, target: Target) -> LlmError:
    with pytest.raises(LlmError) as caught:
        await client.complete(target, "completion", BODY)
    return caught.value


async def test_whole_answers_streams_and_lists_come_through_the_proxy(
    client: LlmClient, upstream: ScriptedUpstream, proxy: ForwardProxy
) -> None:
    proxy.names[PROVIDER] = upstream.port
    target = provider_at(f"http://{PROVIDER}/v1")
    await assert_both_answer(client, target)
    assert [model.id for model in await client.list_models(target.provider, 5)] == [MODEL]
    await client.delete_model(target, 5)
    assert [line.split("/v1")[0] for line in proxy.asked] == [
        f"{method} http://{PROVIDER}" for method in ("POST", "POST", "GET", "DELETE")
    ]


async def test_tls_goes_through_a_tunnel_that_the_proxy_cannot_look_into(
    client: LlmClient,
    proxy: ForwardProxy,
    server_tls: ssl.SSLContext,
    ca_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    upstream = ScriptedUpstream()
    upstream.tls = server_tls
    async with upstream:
        proxy.names[PROVIDER] = upstream.port
        await assert_both_answer(client, provider_at(f"https://{PROVIDER}/v1"))
    assert set(proxy.asked) == {f"CONNECT {PROVIDER}:443"}
    assert "sk-test" not in "".join(proxy.heads)


async def test_a_certificate_of_nobody_we_trust_is_no_connection(
    client: LlmClient, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = ScriptedUpstream()
    upstream.tls = server_tls
    async with upstream:
        assert (await fail(client, provider_at(upstream.url))).failure_class is FailureClass.UNREACHABLE
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        trusting = LlmClient()
        await assert_both_answer(trusting, provider_at(upstream.url))
        await trusting.close()


async def test_a_file_of_certificates_that_is_not_there_is_named(
    client: LlmClient, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    error = await fail(client, provider_at(upstream.url))
    assert (error.failure_class, error.message) == (
        FailureClass.UNREACHABLE,
        "SSL_CERT_FILE names /nowhere/ca.pem, where there is no file.",
    )


async def test_a_host_in_no_proxy_is_reached_directly(
    client: LlmClient, upstream: ScriptedUpstream, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.test,.invalid")
    target = provider_at("http://provider.invalid/v1")  # a name that nobody resolves: the proxy would say 403
    error = await fail(client, target)
    assert error.failure_class is FailureClass.UNREACHABLE
    assert "cannot connect to the provider" in error.message
    assert proxy.asked == []


async def test_this_machine_and_the_engine_are_never_behind_a_proxy(
    client: LlmClient, upstream: ScriptedUpstream, proxy: ForwardProxy
) -> None:
    await assert_both_answer(client, provider_at(upstream.url))
    engine = list_builtin(Settings.model_validate({"engine_url": "http://engine.invalid:8002/v1"}))[0]
    assert engine.name == ENGINE
    assert (await fail(client, Target(engine, MODEL))).failure_class is FailureClass.UNREACHABLE
    assert proxy.asked == []


async def test_a_proxy_that_refuses_was_no_paid_call(
    client: LlmClient, proxy: ForwardProxy, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = await fail(client, provider_at("https://elsewhere.test/v1"))
    assert (error.failure_class, error.message) == (FailureClass.UNREACHABLE, "the proxy refuses: 403 Forbidden")
    assert not error.failure_class.may_be_charged


async def test_a_proxy_that_we_cannot_speak_to_is_told_without_its_password(
    client: LlmClient, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1080")
    error = await fail(client, provider_at(f"https://{PROVIDER}/v1"))
    assert error.failure_class is FailureClass.UNREACHABLE
    assert "socks5" in error.message
    assert "secret" not in error.message


async def test_the_proxys_password_goes_to_the_proxy_alone(
    client: LlmClient, upstream: ScriptedUpstream, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.names[PROVIDER] = upstream.port
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:p%40ss@"))
    await assert_both_answer(client, provider_at(f"http://{PROVIDER}/v1"))
    assert "proxy-authorization: basic bwu6cebzcw==" in proxy.heads[0].lower()
    assert "Proxy-Authorization" not in upstream.calls[0].headers
