"""What the operator gives, in a variable or a file, and the key that the launcher makes where none is given."""

from pathlib import Path

import pytest

from storymill.launcher.errors import LauncherError
from storymill.launcher.given_secret import find_given_secret
from storymill.launcher.sealing import build_sealing_environment
from storymill.launcher.secrets_file import StoreSecrets
from storymill.launcher.state_dir import StateDir
from storymill.launcher.stores import build_stores

NAME = "STORYMILL_DATABASE_URL"
FILE = f"{NAME}_FILE"
KEY = "STORYMILL_ENCRYPTION_KEY"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given."""
    for name in (NAME, FILE, KEY, f"{KEY}_FILE", "STORYMILL_REDIS_URL", "STORYMILL_REDIS_URL_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_variable_goes_before_its_file_and_that_before_what_is_mounted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_given_secret(NAME, mounted=tmp_path) is None
    mounted = tmp_path / NAME.lower()
    mounted.write_text("mounted\n")
    found = find_given_secret(NAME, mounted=tmp_path)
    assert found is not None
    assert (found.value, found.environment) == ("mounted", {FILE: str(mounted)})
    (tmp_path / "named").write_text("named\n")
    monkeypatch.setenv(FILE, str(tmp_path / "named"))
    found = find_given_secret(NAME, mounted=tmp_path)
    assert found is not None
    assert (found.value, found.environment) == ("named", {FILE: str(tmp_path / "named")})
    monkeypatch.setenv(NAME, "given")
    found = find_given_secret(NAME, mounted=tmp_path)
    assert found is not None
    assert (found.value, found.environment) == ("given", {NAME: "given"})


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_file_that_says_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    monkeypatch.setenv(FILE, str(tmp_path / "url"))
    if content is not None:
        (tmp_path / "url").write_text(content)
    with pytest.raises(LauncherError, match=r"STORYMILL_DATABASE_URL_FILE.*url"):
        find_given_secret(NAME)


def test_stores_whose_addresses_stand_in_files_are_not_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {}
    for name in (FILE, "STORYMILL_REDIS_URL_FILE"):
        given[name] = str(tmp_path / name)
        (tmp_path / name).write_text("somewhere")
        monkeypatch.setenv(name, given[name])
    stores = build_stores(StateDir(tmp_path), StoreSecrets("p", "r"))
    assert (stores.specs, stores.environment) == ([], given)


def test_a_key_is_made_once_and_not_where_one_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    assert build_sealing_environment(state) == {f"{KEY}_FILE": str(state.encryption_key_file)}
    made = state.encryption_key_file.read_text()
    assert len(made.strip()) >= 32
    assert state.encryption_key_file.stat().st_mode & 0o077 == 0
    build_sealing_environment(state)
    assert state.encryption_key_file.read_text() == made
    monkeypatch.setenv(KEY, "k" * 40)
    assert build_sealing_environment(state) == {}
