"""The console's built files, as browsers get them: whole from memory, checked by their hash, under a strict policy."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response

from shared.errors import NotFoundError
from shared.outside.network.proxies import is_loopback

DIST: Final = Path(__file__).with_name("dist")
PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {streaming}; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFE_HEADERS: Final = {
    "cache-control": "no-cache",  # kept, but asked for by hash: an upgrade is seen at the next look
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "vary": "accept-encoding",
}


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file of the build."""

    content: bytes
    packed: bytes
    etag: str
    media_type: str


@lru_cache
def load_build(folder: Path = DIST) -> Mapping[str, BuiltFile]:
    """Return the files of the build by name; none where the console was not built."""
    if not folder.is_dir():
        return {}
    return {path.name: read_file(path) for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES}


def read_file(path: Path) -> BuiltFile:
    """Return a file ready to be sent."""
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return BuiltFile(content, gzip.compress(content, mtime=0), etag, MEDIA_TYPES[path.suffix])


def answer_page(request: Request, path: str, streaming_url: str) -> Response:
    """Return a file of the build; the page itself for each address that the console routes on its own.

    Raises: NotFoundError for a file that is not there."""
    name = path if "." in path.rsplit("/", 1)[-1] else PAGE
    built = load_build().get(name)
    if built is None:
        raise NotFoundError(f"The console has no file '{path[:80]}'.", param="path")
    headers = {**SAFE_HEADERS, "etag": built.etag, "content-security-policy": write_policy(streaming_url)}
    if built.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(built.packed, headers={**headers, "content-encoding": "gzip"}, media_type=built.media_type)
    return Response(built.content, headers=headers, media_type=built.media_type)


def write_policy(streaming_url: str) -> str:
    """Return the content security policy: our own files, and the streaming service's address."""
    parts = urlsplit(streaming_url)
    socket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return POLICY.format(streaming=f"{parts.scheme}://{parts.netloc} {socket}")


def find_streaming_url(request: Request, streaming_url: str) -> str:
    """Return the streaming service's address as this browser should use it: one machine has several names for itself,
    and the service lets in pages of the name that it is called by."""
    parts = urlsplit(streaming_url)
    asked = request.url.hostname or ""
    if not (is_loopback(asked) and is_loopback(parts.hostname or "")):
        return streaming_url
    host = f"[{asked}]" if ":" in asked else asked
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host)).rstrip("/")
