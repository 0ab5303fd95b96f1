"""What a process gets of the launcher's environment."""

from pathlib import Path

import pytest

from storymill.launcher.child_environment import PROVIDERS_FILE, build_child_environment

SECRET = [
    *("OPENAI_API_KEY", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "MYSQL_PASSWD"),
    *("STORYMILL_DATABASE_URL", "STORYMILL_REDIS_URL", "SENTRY_DSN", "HTTPS_PROXY", "http_proxy", "HF_TOKEN"),
]
PLAIN = ["PATH", "HOME", "LANG", "KEYBOARD", "STORYMILL_LOG_LEVEL", "CUDA_VISIBLE_DEVICES", "MONKEY"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of these variables alone."""
    for name in (*SECRET, *PLAIN):
        monkeypatch.setenv(name, f"value of {name}")
    monkeypatch.delenv(PROVIDERS_FILE, raising=False)


def test_a_process_without_need_gets_no_secret() -> None:
    got = build_child_environment({}, keeps_secrets=False)
    assert got.keys().isdisjoint(SECRET)
    assert {name: got[name] for name in PLAIN} == {name: f"value of {name}" for name in PLAIN}


def test_a_process_that_speaks_to_providers_gets_all() -> None:
    assert set(SECRET) <= build_child_environment({}, keeps_secrets=True).keys()


def test_what_is_given_to_a_process_it_gets() -> None:
    given = {"STORYMILL_REDIS_URL": "redis://ours"}
    assert build_child_environment(given, keeps_secrets=False)["STORYMILL_REDIS_URL"] == "redis://ours"


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_key_is_known_by_the_providers_file_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_readable: bool
) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[providers.x]\napi_key_variable = "WHATEVER"\n' if is_readable else "[[[")
    monkeypatch.setenv(PROVIDERS_FILE, str(file))
    monkeypatch.setenv("WHATEVER", "secret")
    assert ("WHATEVER" in build_child_environment({}, keeps_secrets=False)) is not is_readable
