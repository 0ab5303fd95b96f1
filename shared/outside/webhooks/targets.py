"""Which addresses a webhook may go to. A target is looked at twice: when it is registered, and again when it is
connected to, by a resolver whose very answer the connection uses, so that a name cannot change in between."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.errors import InvalidRequestError
from shared.outside.network.proxies import ProxyRules

NAT64: Final = ip_network("64:ff9b::/96")
GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All of IPv6 that is given out to the open internet; whatever else there is, now or later, is not it."""
DOCUMENTATION: Final = ip_network("3fff::/20")
ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""The third group of 32 bits of an address that carries an IPv4 address in the fourth."""
LONGEST_URL: Final = 2048
UNSAFE_CHARS: Final = frozenset(" \\<>\"'`")
RESOLVE_SECONDS: Final = 5.0
HOW_TO_ALLOW: Final = (
    "An operator allows plain http and private addresses with STORYMILL_WEBHOOK_ALLOW_PRIVATE=true at the next start."
)

Address = IPv4Address | IPv6Address


class BadTargetError(InvalidRequestError):
    """This URL cannot be a webhook's."""

    default_code = "invalid_webhook_url"


class PrivateTargetError(BadTargetError):
    """The target is, or may be, on a network of ours: a webhook must not reach what its owner cannot."""

    default_code = "private_webhook_url"


def is_public(address: Address) -> bool:
    """Say whether an address is the open internet's, seen through the IPv6 forms that carry an IPv4 address."""
    if isinstance(address, IPv6Address):
        inner = find_inner(address)
        if inner is not None and not is_public(inner):
            return False
        if address.ipv4_mapped or address in NAT64:
            return True
        if address not in GLOBAL_UNICAST or address in DOCUMENTATION:
            return False
        if address.sixtofour or address.teredo:
            return True
    return address.is_global and not address.is_multicast


def find_inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    last, third = int(address) & 0xFFFFFFFF, (int(address) >> 32) & 0xFFFFFFFF
    if address in NAT64 or third in ISATAP:
        return IPv4Address(last)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


def require_public(host: str, addresses: list[str]) -> None:
    """Pass when every address of a host is public. Raises: PrivateTargetError at the first that is not."""
    for address in addresses:
        if not is_public(ip_address(address.partition("%")[0])):
            message = f"The host '{host}' is at the private address {address}. {HOW_TO_ALLOW}"
            raise PrivateTargetError(message, param="url")


def parse_target(url: str, *, allow_private: bool) -> tuple[str, int]:
    """Return host and port of a target. Plain http is for private networks only. Raises: BadTargetError with what is
    wrong."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or set(url) & UNSAFE_CHARS:
        raise BadTargetError(f"A webhook's URL has at most {LONGEST_URL} printable ASCII characters.", param="url")
    try:
        target = URL(url)  # what the connection is made from, so that both see the same host
        host, port = target.host, target.port
    except ValueError as error:
        raise BadTargetError(f"Not a URL: {error}.", param="url") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if target.scheme not in schemes or not host or not port:
        hint = "" if allow_private else f" {HOW_TO_ALLOW}"
        message = f"A webhook's URL starts with {' or '.join(f'{s}://' for s in schemes)}.{hint}"
        raise BadTargetError(message, param="url")
    if target.user is not None or target.password is not None or target.fragment:
        raise BadTargetError("A webhook's URL holds no user name, password or fragment.", param="url")
    return host, port


async def check_target(url: str, *, allow_private: bool, proxy_guards: bool = False) -> None:
    """Pass when a webhook may be registered for `url`. Raises: BadTargetError when the URL cannot be one,
    PrivateTargetError when it leads to our networks."""
    host, port = parse_target(url, allow_private=allow_private)
    if allow_private:
        return
    require_public_literal(host)
    if proxy_guards and ProxyRules.from_environment().find(URL(url)) is not None:
        return
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadTargetError(f"The host '{host}' has no address.", param="url") from None
    require_public(host, [str(entry[4][0]) for entry in found])


class GuardedResolver(AbstractResolver):
    """Resolves names for a connector and lets only public addresses through."""

    def __init__(self, inner: AbstractResolver, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises: PrivateTargetError when one is private, OSError for no host."""
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private:
            require_public(host, [entry["host"] for entry in found])
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


def require_public_literal(host: str) -> None:
    """Pass unless `host` is itself an address, which no resolver sees, and private. Raises: PrivateTargetError when it
    is."""
    try:
        address = ip_address(host)
    except ValueError:
        return
    require_public(host, [str(address)])
