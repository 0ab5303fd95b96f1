"""One reading of the proxy variables."""

import pytest
from yarl import URL

from shared.outside.network.proxies import ProxyRules, UnusableNetworkError

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def find(url: str) -> str | None:
    found = ProxyRules.from_environment().find(URL(url))
    return str(found) if found else None


def test_without_variables_every_way_is_direct() -> None:
    assert find("https://api.openai.com/v1") is None


def test_each_scheme_has_its_proxy_and_all_proxy_is_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://tls:3128")
    assert (find("https://a.test/"), find("http://a.test/")) == ("http://tls:3128", None)
    monkeypatch.setenv("ALL_PROXY", "any:8080")
    assert (find("https://a.test/"), find("http://a.test/")) == ("http://tls:3128", "http://any:8080")


def test_lower_case_counts_first_and_blank_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://upper:1")
    monkeypatch.setenv("http_proxy", "")
    assert find("http://a.test/") == "http://upper:1"
    monkeypatch.setenv("http_proxy", "http://lower:1")
    assert find("http://a.test/") == "http://lower:1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "x.localhost"])
def test_this_machine_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    assert find(f"http://{host}:8002/v1") is None


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("a.test", "http://a.test/"),
        ("a.test", "http://deep.a.test/"),
        (".a.test", "http://a.test/"),
        ("*.a.test", "http://x.a.test/"),
        ("x, A.TEST", "http://a.test/"),
        ("x a.test", "http://a.test/"),
        ("a.test:8080", "http://a.test:8080/"),
        ("10.0.0.0/8", "http://10.1.2.3/"),
        ("10.1.2.3", "http://10.1.2.3:9/"),
        ("fd00::/8", "http://[fd00::7]/"),
        ("[fd00::7]:80", "http://[fd00::7]/"),
        ("*", "https://anything.test/"),
    ],
)
def test_no_proxy_names_what_is_direct(monkeypatch: pytest.MonkeyPatch, listed: str, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", listed)
    assert find(url) is None


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("a.test", "http://not-a.test/"),
        ("a.test", "http://a.test.evil/"),
        ("a.test:8080", "http://a.test/"),
        ("10.0.0.0/8", "http://11.1.2.3/"),
        ("10.0.0.0/8", "http://10.example.test/"),
        (",., ", "http://a.test/"),
    ],
)
def test_no_proxy_names_nothing_else(monkeypatch: pytest.MonkeyPatch, listed: str, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", listed)
    assert find(url) == "http://p:1"


@pytest.mark.parametrize("told", ["socks5://u:secret@p:1", "socks5h://p:1", "http://", "http://[p", "ftp://p"])
def test_a_proxy_of_another_kind_is_refused_where_it_is_needed(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("ALL_PROXY", told)
    assert find("http://127.0.0.1/") is None
    with pytest.raises(UnusableNetworkError) as caught:
        find("http://a.test/")
    assert "secret" not in caught.value.message
