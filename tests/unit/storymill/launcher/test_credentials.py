"""Credentials: private, readable by clients, explained when missing."""

from pathlib import Path

import pytest

from storymill.launcher.credentials import Credentials, find_credentials, read_credentials, write_credentials
from storymill.launcher.errors import LauncherError

CREDENTIALS = Credentials(base_url="http://127.0.0.1:8000/v1", streaming_url="http://127.0.0.1:8001", api_key="sm_x")


def test_credentials_are_private_and_read_as_written(tmp_path: Path) -> None:
    write_credentials(tmp_path, CREDENTIALS)
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert read_credentials(tmp_path) == CREDENTIALS


def test_missing_credentials_say_what_to_run(tmp_path: Path) -> None:
    assert find_credentials(tmp_path) is None
    with pytest.raises(LauncherError, match="storymill up"):
        read_credentials(tmp_path)


def test_broken_credentials_are_named(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(LauncherError, match=r"credentials\.json cannot be read"):
        read_credentials(tmp_path)
