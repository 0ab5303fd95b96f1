"""Send one webhook: sign, connect to a checked address, post, look at nothing but the status. Knows no database."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver

from shared.contracts.storable import cut_text
from shared.errors import StorymillError
from shared.outside.webhooks.signing import sign_webhook
from shared.outside.webhooks.targets import BadTargetError, GuardedResolver, parse_target, require_public_literal

TIMEOUT_SECONDS: Final = 10.0
"""For everything: name, connection, TLS, request, status line."""
LONGEST_REASON_CHARACTERS: Final = 500
USER_AGENT: Final = "Storymill-Webhooks/1"


class UndeliveredError(StorymillError):
    """The target gave no answer; the message holds nothing of the request."""

    default_code = "webhook_undelivered"


class WebhookSender:
    """Posts webhooks. Follows no redirects, uses no proxy, keeps no cookies, no connections and no names."""

    def __init__(self, session: aiohttp.ClientSession, *, allow_private: bool) -> None:
        self._session = session
        self._allow_private = allow_private

    @classmethod
    def open(cls, *, allow_private: bool, resolver: AbstractResolver | None = None) -> Self:
        """Return a sender, on the running loop. `resolver` takes the place of the system's."""
        inner = resolver or aiohttp.resolver.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(inner, allow_private=allow_private),
            use_dns_cache=False,
            force_close=True,
            limit=0,
        )
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return cls(session, allow_private=allow_private)

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
            # Redirects would lead past the check of the address.
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status, response.headers.get("retry-after")
        except BadTargetError:
            raise
        except TimeoutError:
            raise UndeliveredError(f"No answer within {TIMEOUT_SECONDS:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UndeliveredError(describe_failure(error)) from None

    async def close(self) -> None:
        """Drop what is under way."""
        await self._session.close()


def describe_failure(error: Exception) -> str:
    """Return what went wrong in words that hold neither body nor headers."""
    cause = getattr(error, "os_error", None) or error
    reason = getattr(cause, "strerror", None) or type(cause).__name__
    return cut_text(f"The target cannot be reached: {reason}.", LONGEST_REASON_CHARACTERS)
