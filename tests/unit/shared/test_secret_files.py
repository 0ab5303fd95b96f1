"""Secrets from the environment, from a file that a variable names, or from where containers mount them."""

from pathlib import Path

import pytest

from shared.outside.providers.configuration import ProvidersFileError, load_providers
from shared.secret_files import SecretFileError, read_secret
from shared.settings import Settings

NAMES = ("OPENAI_API_KEY", "STORYMILL_DATABASE_URL", "STORYMILL_REDIS_URL", "OTHER_KEY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any of them."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_the_variable_goes_before_its_file_and_that_before_what_is_mounted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read_secret("OTHER_KEY", mounted=tmp_path) is None
    (tmp_path / "other_key").write_text("mounted\n")
    assert read_secret("OTHER_KEY", mounted=tmp_path) == "mounted"
    (tmp_path / "named").write_text("named\n")
    monkeypatch.setenv("OTHER_KEY_FILE", str(tmp_path / "named"))
    assert read_secret("OTHER_KEY", mounted=tmp_path) == "named"
    monkeypatch.setenv("OTHER_KEY", "given")
    assert read_secret("OTHER_KEY", mounted=tmp_path) == "given"


def test_settings_and_providers_read_their_secrets_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text(f"secret-of-{name}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    file = tmp_path / "providers.toml"
    file.write_text('[providers.other]\nbase_url = "https://other.example/v1"\napi_key_variable = "OTHER_KEY"\n')
    settings = Settings(providers_file=file)
    assert settings.database_url == "secret-of-STORYMILL_DATABASE_URL"
    assert settings.redis_url == "secret-of-STORYMILL_REDIS_URL"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "secret-of-OPENAI_API_KEY"
    other = load_providers(settings).find("other")
    assert other is not None
    assert other.api_key == "secret-of-OTHER_KEY"


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTHER_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(SecretFileError, match=r"OTHER_KEY_FILE: cannot read .*gone"):
        read_secret("OTHER_KEY")
    file = tmp_path / "providers.toml"
    file.write_text('[providers.other]\nbase_url = "https://other.example/v1"\napi_key_variable = "OTHER_KEY"\n')
    with pytest.raises(ProvidersFileError, match="OTHER_KEY_FILE"):
        load_providers(Settings(providers_file=file))


def test_an_empty_variable_leaves_the_address_of_a_store_to_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("redis://:p@10.0.0.1:6379/0")
    monkeypatch.setenv("STORYMILL_REDIS_URL", "")
    monkeypatch.setenv("STORYMILL_REDIS_URL_FILE", str(tmp_path / "url"))
    assert Settings().redis_url == "redis://:p@10.0.0.1:6379/0"
    monkeypatch.setenv("STORYMILL_REDIS_URL", "redis://10.0.0.2")
    assert Settings().redis_url == "redis://10.0.0.2"
