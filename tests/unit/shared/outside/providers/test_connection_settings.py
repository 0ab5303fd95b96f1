"""How a provider is asked, as `providers.toml` says it; what cannot be meant is refused with line and field."""

import re
from pathlib import Path

import pytest
import trustme

from shared.outside.providers.configuration import Provider, ProvidersFileError, load_providers
from shared.settings import Settings
from tests.support.stack import PROJECT_ROOT

START = '[providers.x]\nbase_url = "https://x.test/v1"\n'


def load(folder: Path, text: str) -> Provider:
    path = folder / "providers.toml"
    path.write_text(text, encoding="utf-8")
    settings = Settings.model_validate({"engine_url": None, "OPENAI_API_KEY": None, "providers_file": path})
    return load_providers(settings).all[0]


def test_the_example_of_the_documentation_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PROJECT_ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page.partition("## Providers\n")[2].partition("\n## ")[0], re.DOTALL)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "corp.pem"))
    monkeypatch.setenv("CORP_KEY", "k")
    monkeypatch.setenv("CORP_GATEWAY_KEY", "secret")
    provider = load(tmp_path, example)
    assert dict(provider.headers) == {"x-team": "stories", "x-gateway-key": "secret"}
    assert provider.body["provider"] == {"data_collection": "deny"}
    assert provider.ca_file == tmp_path / "corp.pem"
    assert (provider.connect_timeout_seconds, provider.first_byte_timeout_seconds) == (3, 300)
    assert (provider.idle_timeout_seconds, provider.timeout_seconds) == (60, 600)
    assert "secret" not in repr(provider)


def test_a_file_without_such_settings_means_what_it_meant(tmp_path: Path) -> None:
    assert load(tmp_path, START) == Provider("x", "https://x.test/v1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('headers = {Host = "a"}', r"line 3: providers\.x\.headers\.Host: the header Host belongs to the connection"),
        ('headers = {"a b" = "c"}', r"line 3: providers\.x\.headers\.a b: 'a b' is no header's name"),
        ('[providers.x.headers]\na = "1"\nb = "c\\nd"', r"line 5: providers\.x\.headers\.b: a header's value is one"),
        ('headers = {a = "例"}', r"line 3: providers\.x\.headers\.a: .*ASCII"),
        (
            'header_variables = {a = "NOT_SET_ANYWHERE"}',
            r"line 3: providers\.x\.header_variables\.a: the environment variable NOT_SET_ANYWHERE is not set",
        ),
        ('body = {model = "m"}', r"line 3: providers\.x\.body\.model: the field model belongs to the request"),
        ("[providers.x.body]\nmax_tokens = 9", r"line 4: providers\.x\.body\.max_tokens"),
        ("body = {day = 2026-01-01}", r"line 3: providers\.x\.body\.day: not a value of JSON"),
        ('ca_file = "nowhere.pem"', r"line 3: providers\.x\.ca_file: .*nowhere\.pem is no file of PEM certificates"),
        ('ca_file = "providers.toml"', r"line 3: providers\.x\.ca_file: .* is no file of PEM certificates"),
        ("connect_timeout_seconds = 0", r"line 3: providers\.x\.connect_timeout_seconds: .*greater than 0"),
        ('idle_timeout_seconds = "long"', r"line 3: providers\.x\.idle_timeout_seconds: .*number"),
        ("time_out = 3", r"line 3: providers\.x\.time_out: Extra inputs are not permitted"),
        ('api_key_variable = "NOT_SET_ANYWHERE"', r"line 3: providers\.x\.api_key_variable"),
        ('# note\n\n[providers.y]\nmodels = ["m"]', r"line 5: providers\.y: base_url is missing"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProvidersFileError, match=said):
        load(tmp_path, f"{START}{text}\n")
