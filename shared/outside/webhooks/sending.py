"""Send one webhook: sign, connect to a checked address, post, look at nothing but the status. Knows no database."""

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from yarl import URL

from shared.contracts.storable import cut_text
from shared.errors import StorymillError
from shared.outside.network.clients import OutgoingHttp
from shared.outside.network.proxies import UnusableNetworkError
from shared.outside.webhooks.signing import sign_webhook
from shared.outside.webhooks.targets import (
    BadTargetError,
    GuardedResolver,
    parse_target,
    require_public_literal,
)

TIMEOUT_SECONDS: Final = 10.0
"""For everything: name, connection, TLS, request, status line."""
LONGEST_REASON_CHARACTERS: Final = 500
USER_AGENT: Final = "Storymill-Webhooks/1"


class UndeliveredError(StorymillError):
    """The target gave no answer; the message holds nothing of the request."""

    default_code = "webhook_undelivered"


class WebhookSender:
    """Posts webhooks. Follows no redirects, keeps no cookies, no connections and no names.

    Through a proxy the guard stays ours: the name is looked up and checked here, and the proxy is asked for the address
    that was found, so that it cannot come to another one."""

    def __init__(
        self,
        resolver: GuardedResolver,
        direct: OutgoingHttp,
        proxied: OutgoingHttp,
        *,
        allow_private: bool,
        proxy_guards: bool,
    ) -> None:
        self._resolver = resolver
        self._direct = direct
        self._proxied = proxied
        self._allow_private = allow_private
        self._pins_names = not (allow_private or proxy_guards)

    @classmethod
    def open(cls, *, allow_private: bool, proxy_guards: bool = False, resolver: AbstractResolver | None = None) -> Self:
        """Return a sender, on the running loop. `proxy_guards`: names are left to a proxy, which refuses private
        addresses by itself. `resolver` takes the place of the system's."""
        inner = resolver or aiohttp.resolver.ThreadedResolver()
        guarded = GuardedResolver(inner, allow_private=allow_private)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        direct = OutgoingHttp.open(timeout, resolver=guarded, use_dns_cache=False, force_close=True, limit=0)
        proxied = OutgoingHttp.open(timeout, force_close=True, limit=0)
        return cls(guarded, direct, proxied, allow_private=allow_private, proxy_guards=proxy_guards)

    async def send(
        self, url: str, event_id: str, payload: Mapping[str, Any], signing_secrets: Sequence[str]
    ) -> tuple[int, str | None]:
        """Post an event; return the status and `Retry-After`. Raises: UndeliveredError when there was no answer,
        BadTargetError when the target may not be connected to."""
        host, _ = parse_target(url, allow_private=self._allow_private)
        if not self._allow_private:
            require_public_literal(host)
        body = orjson.dumps(payload)
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **sign_webhook(event_id, int(time.time()), body, signing_secrets),
        }
        try:
            # Redirects are not followed: they would lead past the check of the address.
            async with await self._post(URL(url), body, headers) as response:
                return response.status, response.headers.get("retry-after")
        except BadTargetError:
            raise
        except UnusableNetworkError as error:
            raise UndeliveredError(error.message) from None
        except TimeoutError:
            raise UndeliveredError(f"No answer within {TIMEOUT_SECONDS:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UndeliveredError(describe_failure(error, in_detail=not self._allow_private)) from None

    async def close(self) -> None:
        """Drop what is under way."""
        await self._direct.close()
        await self._proxied.close()

    async def _post(self, url: URL, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        proxy = self._direct.proxies.find(url)
        if proxy is None:
            return await self._direct.request("POST", url, data=body, headers=headers, direct=True)
        if not self._pins_names:
            return await self._proxied.request("POST", url, data=body, headers=headers, proxy=proxy)
        host = str(url.host)
        found = await self._resolver.resolve(host, url.port or 0, socket.AF_UNSPEC)
        first = min(found, key=lambda entry: entry["family"])  # IPv4, which every proxy speaks
        headers = {**headers, "host": url.raw_authority}
        return await self._proxied.request(
            "POST", url.with_host(first["host"]), data=body, headers=headers, proxy=proxy, server_hostname=host
        )


def describe_failure(error: Exception, *, in_detail: bool) -> str:
    """Return what went wrong in words that hold neither body nor headers. Without detail they do not tell a closed port
    from one where something listens: on a network of ours that is nobody's business."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return cut_text(f"The proxy refuses: {error.status} {error.message}.", LONGEST_REASON_CHARACTERS)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "The target cannot be reached: its certificate is not accepted."
    if not in_detail:
        return "The target cannot be reached, or gives no HTTP answer."
    cause = getattr(error, "os_error", None) or error
    reason = getattr(cause, "strerror", None) or type(cause).__name__
    return cut_text(f"The target cannot be reached: {reason}.", LONGEST_REASON_CHARACTERS)
