"""Every client that leaves this installation is made here, so that all of them know the same proxies and certificates.

`OutgoingHttp` is aiohttp's, for our own protocols; `RoutedTransport` is httpx's, for libraries that bring their own
client. Neighbours (gateway, streaming, stores) are no outside: their clients obey no environment."""

import ssl
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import httpx2
from yarl import URL

from shared.outside.network.proxies import ProxyRules
from shared.outside.network.trust import open_trust

LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
"""As in the client that OpenAI's library makes when it is given none."""


class OutgoingHttp:
    """An aiohttp session that finds its way: follows no redirects, keeps no cookies, reads no netrc."""

    def __init__(self, session: aiohttp.ClientSession, proxies: ProxyRules) -> None:
        self._session = session
        self.proxies = proxies
        self._trust: dict[Path | None, ssl.SSLContext] = {}

    @classmethod
    def open(cls, timeout: aiohttp.ClientTimeout, **connector: Any) -> Self:
        """Return a session on the running loop; `connector` goes to aiohttp's."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(**connector),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # we read it: aiohttp knows neither ALL_PROXY nor networks in NO_PROXY
        )
        return cls(session, ProxyRules.from_environment())

    async def request(
        self,
        method: str,
        url: URL | str,
        *,
        ca_file: Path | None = None,
        proxy: URL | None = None,
        direct: bool = False,
        **options: Any,
    ) -> aiohttp.ClientResponse:
        """Return the answer once its head is there; close or release it. `ca_file` is trusted beside the rest; `proxy`
        takes the place of the environment's, `direct` leaves it out.

        Raises: UnusableNetworkError, and what aiohttp raises."""
        url = parse_url(url)
        if not direct:
            options["proxy"] = proxy or self.proxies.find(url)
        trust = self._find_trust(ca_file)
        return await self._session.request(method, url, allow_redirects=False, ssl=trust, **options)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _find_trust(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return the same context for the same file: connections are shared by it."""
        if ca_file not in self._trust:
            self._trust[ca_file] = open_trust(ca_file)
        return self._trust[ca_file]


class RoutedTransport(httpx2.AsyncBaseTransport):
    """httpx's way out by our rules: each request goes directly or by the proxy that leads to its address."""

    def __init__(self, *, ca_file: Path | None = None, direct: bool = False) -> None:
        self._ca_file = ca_file
        self._proxies = ProxyRules() if direct else ProxyRules.from_environment()
        self._ways: dict[URL | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises: UnusableNetworkError, and what httpx raises."""
        way = self._find_way(self._proxies.find(URL(str(request.url))))
        return await way.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for way in self._ways.values():
            await way.aclose()

    def _find_way(self, proxy: URL | None) -> httpx2.AsyncHTTPTransport:
        if proxy not in self._ways:
            trust = open_trust(self._ca_file)
            told = httpx2.Proxy(str(proxy), ssl_context=trust if proxy.scheme == "https" else None) if proxy else None
            self._ways[proxy] = httpx2.AsyncHTTPTransport(verify=trust, trust_env=False, limits=LIMITS, proxy=told)
        return self._ways[proxy]


def open_httpx_client(*, ca_file: Path | None = None, direct: bool = False) -> httpx2.AsyncClient:
    """Return a client for a library that takes one; time-outs are the library's. It raises UnusableNetworkError."""
    return httpx2.AsyncClient(
        transport=RoutedTransport(ca_file=ca_file, direct=direct), trust_env=False, follow_redirects=True
    )


def parse_url(url: URL | str) -> URL:
    """Return an address. Raises: aiohttp.InvalidURL, as aiohttp does for what is none."""
    try:
        return URL(url)
    except ValueError as error:
        raise aiohttp.InvalidURL(str(url), str(error)) from error
