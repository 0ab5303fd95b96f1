"""Providers from settings and `providers.toml`, and prices."""

from decimal import Decimal
from pathlib import Path

import pytest

from shared.outside.prices.inference import find_price
from shared.outside.providers.configuration import Provider, ProvidersFileError, load_providers
from shared.settings import Settings


def make_settings(**values: object) -> Settings:
    return Settings.model_validate({"engine_url": "http://e/v1", "OPENAI_API_KEY": None, **values})


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "providers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_engine_is_the_default_and_costs_nothing() -> None:
    default = load_providers(make_settings()).default
    assert default is not None
    assert (default.name, default.base_url) == ("engine", "http://e/v1")
    assert find_price(default, "any").cost(10, 10) == 0


def test_openai_is_added_with_its_key_and_its_models() -> None:
    providers = load_providers(make_settings(OPENAI_API_KEY="sk-1"))
    assert [provider.name for provider in providers.candidates("gpt-4o")] == ["openai", "engine"]
    assert [provider.name for provider in providers.candidates("storyteller")] == ["engine"]


def test_the_key_of_an_upstream_goes_nowhere_else() -> None:
    providers = load_providers(make_settings(upstream_url="http://u/v1/", OPENAI_API_KEY="sk-1"))
    assert [(p.name, p.base_url, p.api_key) for p in providers.all] == [("upstream", "http://u/v1", "sk-1")]


def test_a_key_is_not_shown_in_logs() -> None:
    assert "sk-1" not in repr(Provider("p", "http://p/v1", "sk-1"))


def test_the_file_adds_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBIUS_KEY", "n-1")
    path = write(
        tmp_path,
        """
        [providers.engine]
        concurrency = 4
        [providers.nebius]
        base_url = "https://nebius.example/v1/"
        api_key_variable = "NEBIUS_KEY"
        default = true
        models = ["meta-*"]
        [providers.nebius.prices."meta-*"]
        input_usd_per_million = 0.13
        output_usd_per_million = 0.40
        """,
    )
    providers = load_providers(make_settings(providers_file=path))
    assert [(p.name, p.concurrency) for p in providers.all] == [("nebius", 256), ("engine", 4)]
    nebius = providers.all[0]
    assert nebius.api_key == "n-1"
    assert find_price(nebius, "meta-llama").cost(1_000_000, 500_000) == Decimal("0.33")
    unknown = find_price(nebius, "other")
    assert unknown.cost(1, 1) is None
    assert "providers.toml" in unknown.note


def test_a_built_in_key_does_not_follow_to_another_address(tmp_path: Path) -> None:
    path = write(tmp_path, '[providers.openai]\nbase_url = "https://elsewhere.example/v1"\n')
    providers = load_providers(make_settings(OPENAI_API_KEY="sk-1", providers_file=path))
    assert providers.find("openai") == Provider("openai", "https://elsewhere.example/v1", None, providers.all[1].models)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[providers.x]\nmodels = []\n", "base_url is missing"),
        ('[providers.x]\nbase_url = "ftp://x"\n', "base_url"),
        ('[providers.x]\nbase_url = "http://x"\napi_key_variable = "NOT_SET_ANYWHERE"\n', "NOT_SET_ANYWHERE"),
        ('[providers.x]\nbase_url = "http://x"\napi_key = "k"\n', "api_key"),
        ("[providers.x]\nconcurrency = 0\n", "concurrency"),
        ("not toml", "not TOML"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProvidersFileError, match=said):
        load_providers(make_settings(providers_file=write(tmp_path, text)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvidersFileError, match=r"nowhere\.toml"):
        load_providers(make_settings(providers_file=tmp_path / "nowhere.toml"))
