"""REST calls to the gateway: JSON in, JSON out, errors as sentences, overload waited out."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from storymill.client.errors import ApiError, UnreachableError

TIMEOUT_SECONDS = 300.0
"""A whole text by the embedded model takes more than a minute on a busy processor without bfloat16."""
OVERLOAD_TRIES = 5
LONGEST_OVERLOAD_WAIT_SECONDS = 20.0
PAGE_SIZE = 100


class Api:
    """The gateway, as this key sees it. Use as a context manager."""

    def __init__(self, base_url: str, api_key: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self._http = httpx2.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            trust_env=False,  # a proxy for the outside world does not lead to this machine's gateway
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read a resource; parameters that are None are left out. Raises: ClientError when the mill refuses or cannot
        be reached."""
        return self._call("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Create or act. Raises: ClientError when the mill refuses or cannot be reached."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change a resource. Raises: ClientError when the mill refuses or cannot be reached."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        """Delete a resource. Raises: ClientError when the mill refuses or cannot be reached."""
        return self._call("DELETE", path)

    def upload(self, path: str, file: Path, **fields: str) -> dict[str, Any]:
        """Send a file as a form, read while it is sent; not repeated. Raises: ClientError when the mill refuses or
        cannot be reached."""
        with file.open("rb") as content:
            response = self._send("POST", path, data=fields, files={"file": (file.name, content)})
        if not response.is_success:
            raise read_error(response)
        answer: dict[str, Any] = response.json()
        return answer

    def list_all(self, path: str, *, at_most: int | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page by page, at most `at_most` of them."""
        after: str | None = None
        left = at_most
        while left is None or left > 0:
            page_size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            page = self.get(path, limit=page_size, after=after, **params)
            yield from page["data"]
            if not page["has_more"] or not page["data"]:
                return
            after = page["data"][-1]["id"]
            left = None if left is None else left - len(page["data"])

    def download(self, path: str, target: Path, **params: Any) -> int:
        """Write an answer's body to `target`, which appears only when it is whole. Returns its bytes."""
        part = target.with_name(target.name + ".part")
        try:
            with self._http.stream("GET", path, params=params) as response:
                if response.status_code != httpx2.codes.OK:
                    response.read()
                    raise read_error(response)
                with part.open("wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        part.replace(target)
        return target.stat().st_size

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        for last_try in (*[False] * (OVERLOAD_TRIES - 1), True):
            response = self._send(method, path, **options)
            if response.is_success:
                answer: dict[str, Any] = response.json()
                return answer
            failure = read_error(response)
            if failure.status != httpx2.codes.TOO_MANY_REQUESTS or last_try:
                raise failure
            time.sleep(min(failure.retry_after_seconds or 1.0, LONGEST_OVERLOAD_WAIT_SECONDS))
        raise AssertionError("unreachable: the last try returns or raises")

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx2.TransportError) -> UnreachableError:
        return UnreachableError(
            f"Nobody answers at {self.base_url} ({error}). Is Storymill running? Try: storymill status, storymill up"
        )


def read_error(response: httpx2.Response) -> ApiError:
    """Return the error of an answer whose status is no success, whatever its body."""
    try:
        inner = response.json()["error"]
        message, code, param = str(inner["message"]), inner.get("code"), inner.get("param")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, param = f"HTTP {response.status_code}: {response.text[:300]}", None, None
    return ApiError(response.status_code, message, code, read_wait(response.headers.get("retry-after")), param)


def read_wait(value: str | None) -> float | None:
    """Return the seconds that the mill asks to wait; None for none, and for what something on the way may say else."""
    try:
        seconds = float(value or "nan")
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
