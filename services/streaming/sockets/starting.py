"""Carry out a `start` frame: the gateway creates the stream, with the client's own key."""

from typing import Any

import aiohttp
import orjson

from shared.errors import InvalidRequestError, ServiceUnavailableError, StorymillError

TIMEOUT_SECONDS = 10.0


class StartRefusedError(StorymillError):
    """The gateway refused; carries its answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer.get("message", "")), param=answer.get("param"), code=answer.get("code"))
        self.answer = answer


async def start_stream(gateway_url: str | None, bearer: str | None, request: dict[str, Any]) -> str:
    """Return the id of a new stream.

    Raises: InvalidRequestError (code `unsupported`) where there is no gateway or no key; StartRefusedError with what
    the gateway said; ServiceUnavailableError when it did not answer."""
    if gateway_url is None or bearer is None:
        why = "this server has no gateway" if gateway_url is None else "it needs a key, not a ticket"
        raise InvalidRequestError(f"'start' is not possible here: {why}. Use POST /v1/streams.", code="unsupported")
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    headers = {"authorization": bearer, "content-type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                f"{gateway_url.rstrip('/')}/v1/streams", data=orjson.dumps(request), headers=headers
            ) as answer,
        ):
            body = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        raise ServiceUnavailableError("The gateway did not answer. Try again.") from error
    if "error" in body and answer.status >= 400:
        raise StartRefusedError(body["error"])
    return str(body["id"])
