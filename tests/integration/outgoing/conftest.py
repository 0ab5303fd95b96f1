"""A provider that only a proxy reaches: its name means something to the proxy alone."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from shared.outside.providers.client import LlmClient
from tests.support.forward_proxy import ForwardProxy

PROVIDER = "provider.test"


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForwardProxy]:
    """The only way out for plain HTTP and TLS."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with ForwardProxy() as opened:
        monkeypatch.setenv("HTTP_PROXY", opened.url)
        monkeypatch.setenv("HTTPS_PROXY", opened.url)
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[LlmClient]:
    """The workers' client of providers, opened by its first call."""
    client = LlmClient()
    yield client
    await client.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A company's own certificate authority."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """Its certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server behind it speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(PROVIDER, "hooks.test", "127.0.0.1").configure_cert(context)
    return context
