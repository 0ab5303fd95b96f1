"""Which proxy leads to an address, from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`: one reading for every
client, because HTTP libraries differ in it (upper case, subdomains, ports, networks, loopback)."""

import os
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final, Self

from yarl import URL

from shared.errors import StorymillError

SCHEMES: Final = ("http", "https")


class UnusableNetworkError(StorymillError):
    """What the environment says about proxies or certificates cannot be used; nothing was sent."""

    default_code = "network_settings"


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """Read once by each client, when it opens."""

    http: str | None = None
    """For `http://` addresses."""
    https: str | None = None
    exceptions: tuple[str, ...] = ()
    """Of `NO_PROXY`: hosts (with all below them), addresses, networks, each perhaps with a port; `*` is everything."""

    @classmethod
    def from_environment(cls) -> Self:
        """Return the rules of this process. Lower-case names count before upper-case ones, as in curl."""
        whatever = read_variable("all_proxy")
        listed = read_variable("no_proxy") or ""
        return cls(
            http=read_variable("http_proxy") or whatever,
            https=read_variable("https_proxy") or whatever,
            exceptions=tuple(listed.replace(",", " ").lower().split()),
        )

    def find(self, url: URL) -> URL | None:
        """Return the proxy that leads to `url`; None where the way is direct, as it always is on this machine.

        Raises: UnusableNetworkError when there is one that we cannot speak to."""
        told = self.https if url.scheme == "https" else self.http
        if told is None or url.host is None or self._is_exception(url.host.lower(), url.port):
            return None
        return parse_proxy(told)

    def _is_exception(self, host: str, port: int | None) -> bool:
        return is_loopback(host) or any(matches(entry, host, port) for entry in self.exceptions)


def read_variable(name: str) -> str | None:
    """Return an environment variable in either case; blank is not set."""
    return (os.environ.get(name) or os.environ.get(name.upper()) or "").strip() or None


def parse_proxy(told: str) -> URL:
    """Return a proxy's address, which may hold a user and a password. Raises: UnusableNetworkError for another kind."""
    try:
        url = URL(told if "://" in told else f"http://{told}")
        host = url.host
    except ValueError:
        host = None
    if not host or url.scheme not in SCHEMES:  # what stands there may hold a password, so it is not shown whole
        scheme = told.partition("://")[0] if "://" in told else "no"
        raise UnusableNetworkError(
            f"The proxy of the environment cannot be used: its address has {scheme} as scheme, or no host. Proxies are "
            "http://host:port or https://host:port (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY)."
        )
    return url


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, which no proxy leads to."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def matches(entry: str, host: str, port: int | None) -> bool:
    """Say whether an entry of `NO_PROXY` means this host."""
    if entry == "*":
        return True
    name, only_port = split_port(entry)
    if only_port is not None and only_port != port:
        return False
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:
        name = name.removeprefix("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))


def split_port(entry: str) -> tuple[str, int | None]:
    """Return host and port of `host:port`, `[v6]:port` and what has no port."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") and rest[1:].isdigit() else None
    host, colon, port = entry.rpartition(":")
    return (host, int(port)) if colon and ":" not in host and port.isdigit() else (entry, None)
