"""Webhooks whose only way out is a proxy: they arrive, and the guard against private targets stays ours."""

import ssl
from pathlib import Path

import pytest

from shared.outside.webhooks.sending import UndeliveredError, WebhookSender
from shared.outside.webhooks.targets import PrivateTargetError, check_target
from tests.support.forward_proxy import ForwardProxy
from tests.support.scripted_resolver import ScriptedResolver
from tests.support.webhook_receiver import WebhookReceiver

EVENT = ("evt_1", {"type": "fine_tuning.job.succeeded"}, ["whsec_bm90IGEgc2VjcmV0"])
PUBLIC = "93.184.216.34"


def port_of(receiver: WebhookReceiver) -> int:
    return int(receiver.url.rpartition(":")[2])


async def test_the_proxy_is_asked_for_the_very_address_that_was_checked(
    proxy: ForwardProxy, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    sender = WebhookSender.open(allow_private=False, resolver=ScriptedResolver(PUBLIC))
    async with WebhookReceiver(tls=server_tls) as receiver:
        proxy.names[PUBLIC] = port_of(receiver)
        assert (await sender.send("https://hooks.test/in?x=1", *EVENT))[0] == 200
        assert receiver.received[0].headers["host"] == "hooks.test"
    await sender.close()
    assert proxy.asked == [f"CONNECT {PUBLIC}:443"]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254"])
async def test_a_private_target_does_not_reach_the_proxy(proxy: ForwardProxy, address: str) -> None:
    sender = WebhookSender.open(allow_private=False, resolver=ScriptedResolver(address))
    with pytest.raises(PrivateTargetError):
        await sender.send("https://hooks.test/", *EVENT)
    await sender.close()
    assert proxy.asked == []


async def test_names_that_only_the_proxy_knows_are_left_to_one_that_guards(
    proxy: ForwardProxy, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    await check_target("https://hooks.test/", allow_private=False, proxy_guards=True)
    sender = WebhookSender.open(allow_private=False, proxy_guards=True, resolver=ScriptedResolver())
    async with WebhookReceiver(tls=server_tls) as receiver:
        proxy.names["hooks.test"] = port_of(receiver)
        assert (await sender.send("https://hooks.test/", *EVENT))[0] == 200
    with pytest.raises(PrivateTargetError):
        await sender.send("https://10.0.0.7/", *EVENT)
    with pytest.raises(PrivateTargetError):
        await check_target("https://10.0.0.7/", allow_private=False, proxy_guards=True)
    await sender.close()
    assert proxy.asked == ["CONNECT hooks.test:443"]


async def test_what_no_proxy_leads_to_is_looked_up_whatever_the_proxy_guards(
    proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "hooks.test")
    sender = WebhookSender.open(allow_private=False, proxy_guards=True, resolver=ScriptedResolver("10.0.0.7"))
    with pytest.raises(PrivateTargetError):
        await sender.send("https://hooks.test/", *EVENT)
    await sender.close()


async def test_a_private_network_is_reached_by_its_proxy_where_the_operator_allows_it(proxy: ForwardProxy) -> None:
    sender = WebhookSender.open(allow_private=True)
    async with WebhookReceiver() as receiver:
        proxy.names["hooks.corp"] = port_of(receiver)
        assert (await sender.send("http://hooks.corp/in", *EVENT))[0] == 200
        with pytest.raises(UndeliveredError, match="The proxy refuses: 403"):
            await sender.send("https://other.corp/in", *EVENT)
    await sender.close()
    assert proxy.asked == ["POST http://hooks.corp/in", "CONNECT other.corp:443"]
