"""A command talks to the mill that was named, and to no other."""

from pathlib import Path

import pytest

from storymill.cli.connection import load_credentials, read_base_url
from storymill.client.errors import ClientError
from storymill.launcher.credentials import Credentials, write_credentials
from storymill.launcher.errors import LauncherError

HERE = Credentials(base_url="http://127.0.0.1:8000/v1", streaming_url="http://127.0.0.1:8001", api_key="sm_1")


@pytest.fixture(autouse=True)
def no_mill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the variables, only those of OpenAI's clients are set."""
    for name in ("STORYMILL_BASE_URL", "STORYMILL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")


def test_without_a_mill_nobody_else_is_asked(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match=r"No mill is named.*--base-url"):
        load_credentials(tmp_path)


def test_a_named_mill_gets_its_own_key_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYMILL_BASE_URL", "https://mill.example/v1")
    with pytest.raises(ClientError, match="STORYMILL_API_KEY"):
        load_credentials(tmp_path)
    monkeypatch.setenv("STORYMILL_API_KEY", "sm_2")
    found = load_credentials(tmp_path)
    assert (found.base_url, found.api_key) == ("https://mill.example/v1", "sm_2")


def test_a_state_directory_names_its_mill(tmp_path: Path) -> None:
    write_credentials(tmp_path, HERE)
    assert load_credentials(tmp_path) == HERE


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ("http://mill.example:8000", "http://mill.example:8000/v1"),
        ("https://mill.example/", "https://mill.example/v1"),
        (" http://127.0.0.1:8000/v1/ ", "http://127.0.0.1:8000/v1"),
        ("https://host.example/mill/v1", "https://host.example/mill/v1"),
    ],
)
def test_an_address_is_read_with_and_without_its_path(named: str, read: str) -> None:
    assert read_base_url(named) == read


@pytest.mark.parametrize(
    "named", ["localhost:8000", "mill", "http://", "http://host:port/v1", "http://[::1", "ftp://a/v1"]
)
def test_what_is_no_address_is_named(named: str) -> None:
    with pytest.raises(ClientError, match=r"is not the address of a mill.*--base-url"):
        read_base_url(named)
