"""Which targets a webhook may have, and that a name which changes its address gets nowhere."""

from ipaddress import ip_address

import pytest

from shared.outside.webhooks.sending import WebhookSender
from shared.outside.webhooks.targets import (
    BadTargetError,
    GuardedResolver,
    PrivateTargetError,
    check_target,
    is_public,
    parse_target,
    require_public,
)
from tests.support.scripted_resolver import ScriptedResolver

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",  # IPv4-compatible
    "::8.8.8.8",
    "64:ff9b:1::7f00:1",  # a network's own NAT64
    "2a00:1450::5efe:10.0.0.1",  # ISATAP
    "2a00:1450::200:5efe:127.0.0.1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "100::1",
    "2001:db8::1",
    "2001:0:7f00:1:0:0:80ff:fffe",  # Teredo
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_our_networks_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com/",
        "https://",
        "https:///hook",
        "https://user:secret@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://例え.jp/",
        "example.com",
        f"https://example.com/{'x' * 2048}",
    ],
)
def test_urls_that_no_webhook_can_have_are_refused(url: str) -> None:
    with pytest.raises(BadTargetError):
        parse_target(url, allow_private=False)


@pytest.mark.parametrize(
    "url", ["https://localhost/", "https://127.1/", "https://2130706433/", "https://[::1]/", "https://0x7f.0.0.1/"]
)
async def test_private_targets_are_refused_however_they_are_spelt(url: str) -> None:
    with pytest.raises(PrivateTargetError):
        await check_target(url, allow_private=False)


async def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(BadTargetError, match="no address"):
        await check_target("https://no-such-host.invalid/", allow_private=False)


async def test_plain_http_and_private_addresses_go_only_where_the_operator_allows_them() -> None:
    url = "http://127.0.0.1:8080/hook"
    await check_target(url, allow_private=True)
    assert parse_target(url, allow_private=True) == ("127.0.0.1", 8080)
    with pytest.raises(BadTargetError, match="starts with https://"):
        await check_target(url, allow_private=False)


async def test_a_name_that_turns_private_after_its_check_is_not_connected_to() -> None:
    resolver = ScriptedResolver("8.8.8.8", "127.0.0.1")
    assert await GuardedResolver(resolver, allow_private=False).resolve("rebinding.test", 443)
    sender = WebhookSender.open(allow_private=False, resolver=resolver)
    with pytest.raises(PrivateTargetError):
        await sender.send("https://rebinding.test/", "evt_1", {}, [])
    await sender.close()
    assert resolver.answers == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"])
async def test_an_address_in_the_url_is_looked_at_before_it_is_connected_to(host: str) -> None:
    sender = WebhookSender.open(allow_private=False)
    with pytest.raises(PrivateTargetError):
        await sender.send(f"https://{host}/", "evt_1", {}, [])
    await sender.close()


def test_a_refused_target_names_the_setting_that_allows_it() -> None:
    setting = "STORYMILL_WEBHOOK_ALLOW_PRIVATE=true"
    with pytest.raises(PrivateTargetError, match=setting):
        require_public("mill.example", ["127.0.0.1"])
    with pytest.raises(BadTargetError, match=setting):
        parse_target("http://mill.example/", allow_private=False)
