"""What a tracker's process is told of the way out."""

import pytest

from services.workers.deliveries.sink_process import build_environment


@pytest.mark.parametrize(
    ("listed", "told"), [("", "127.0.0.1"), ("tracker.corp,10.0.0.0/8", "tracker.corp,10.0.0.0/8")]
)
def test_a_tracker_gets_the_proxies_their_exceptions_and_this_machine(
    monkeypatch: pytest.MonkeyPatch, listed: str, told: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    monkeypatch.setenv("NO_PROXY", listed)
    passed = build_environment()
    assert passed["HTTPS_PROXY"] == "http://proxy.corp:3128"
    assert passed["NO_PROXY"] == passed["no_proxy"]
    assert told in passed["NO_PROXY"]
    assert "127.0.0.1" in passed["NO_PROXY"]
