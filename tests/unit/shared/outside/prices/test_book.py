"""The price book: the built-in files, an installation's own, and what a bad file says."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from shared.outside.prices.book import BUILT_IN_PRICES, load_price_book
from shared.outside.prices.inference import find_price
from shared.outside.prices.public import is_public
from shared.outside.prices.schema import PriceFileError, read_price_file
from shared.outside.prices.training import training_price
from shared.outside.providers.configuration import OPENAI_BASE_URL, Provider, TokenPrice

OPENAI = Provider("openai", OPENAI_BASE_URL)
ELSEWHERE = Provider("openai", "https://elsewhere.example/v1")
THE_ARTICLES_DAY = date(2023, 4, 4)
TODAY = date(2026, 11, 23)

GOOD_FILE = """
provider = "nebius"
source = "https://nebius.example/prices"
read_on = 2026-11-01
valid_from = 2026-10-01
"""


def write(folder: Path, text: str, name: str = "prices.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def per_million(model: str, on: date) -> Decimal:
    price = find_price(OPENAI, model, on).price
    assert price is not None
    assert price.input_usd_per_million == price.output_usd_per_million
    return price.output_usd_per_million


@pytest.mark.parametrize(
    ("tuned", "base", "times"),
    [("davinci-ft", "text-davinci-003", 6), ("davinci-ft", "gpt-3.5-turbo", 60), ("curie-ft", "gpt-3.5-turbo", 6)],
)
def test_the_articles_ratios_come_out_of_the_book(tuned: str, base: str, times: int) -> None:
    assert per_million(tuned, THE_ARTICLES_DAY) == times * per_million(base, THE_ARTICLES_DAY)


def test_the_articles_tuned_model_is_priced_by_its_full_name() -> None:
    name = "curie:ft-bothub-ai:ultraman-2023-04-04-03-03-26"
    assert find_price(OPENAI, name, THE_ARTICLES_DAY).cost(1000, 0) == Decimal("0.012")
    assert training_price(OPENAI, name, THE_ARTICLES_DAY).usd_per_million_tokens == 3


def test_a_price_says_where_it_is_from_and_since_when() -> None:
    quote = find_price(OPENAI, "davinci-ft", THE_ARTICLES_DAY)
    assert (quote.source, quote.valid_from) == ("https://openai.com/pricing", date(2023, 3, 1))
    assert "read on 2023-04-04" in quote.note


def test_a_model_that_was_shut_down_has_no_price_today() -> None:
    quote = find_price(OPENAI, "text-davinci-003", TODAY)
    assert quote.price is None
    assert "2024-01-04" in quote.note


def test_openais_prices_are_not_those_of_another_server_with_its_name() -> None:
    assert find_price(ELSEWHERE, "davinci-ft", THE_ARTICLES_DAY).price is None
    assert not training_price(ELSEWHERE, "gpt-4.1-mini", TODAY).is_known


def test_a_tuned_model_costs_its_own_price_and_is_trained_on_at_its_bases() -> None:
    name = "ft:gpt-4.1-mini-2025-04-14:org::abc"
    price = find_price(OPENAI, name, TODAY).price
    assert price == TokenPrice(Decimal("0.8"), Decimal("3.2"), Decimal("0.2"))
    assert training_price(OPENAI, name, TODAY).usd_per_million_tokens == 5


def test_a_tuned_model_goes_dark_with_its_base() -> None:
    book = load_price_book()
    assert book.find_shutdown_date(OPENAI, "ft:gpt-4o-mini-2024-07-18:org::abc") == date(2027, 1, 14)


def test_a_training_price_that_ended_is_unknown_and_says_until_when_it_counted() -> None:
    quote = training_price(OPENAI, "gpt-4.1-nano", date(2026, 11, 1))
    assert not quote.is_known
    assert "2026-10-22" in quote.note
    assert "[providers.openai.prices" in quote.note


def test_every_built_in_price_is_sourced_and_dated() -> None:
    prices = load_price_book().prices
    assert len(prices) > 30
    for price in prices:
        assert price.source.startswith("https://"), price
        assert price.valid_until is None or price.valid_from <= price.valid_until, price
    assert sorted(path.name for path in BUILT_IN_PRICES.glob("*.toml")) == ["openai-2023.toml", "openai.toml"]


def test_an_installations_own_file_goes_before_the_built_in_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        provider = "openai"
        hosts = ["api.openai.com"]
        source = "our contract"
        read_on = 2026-11-01
        valid_from = 2026-11-01
        [[price]]
        models = ["ft:gpt-4.1-mini-*"]
        input = 0.1
        output = 0.2
        """,
    )
    contract = Provider("openai", OPENAI_BASE_URL, prices_dir=tmp_path)
    name = "ft:gpt-4.1-mini-2025-04-14:org::abc"
    assert find_price(contract, name, TODAY).price == TokenPrice(Decimal("0.1"), Decimal("0.2"))
    before = find_price(contract, name, date(2026, 10, 31)).price
    assert before == TokenPrice(Decimal("0.8"), Decimal("3.2"), Decimal("0.2"))


def test_a_provider_without_hosts_is_found_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, GOOD_FILE + '[[price]]\nmodels = ["meta-*"]\ntraining_hour = 2.5\nhosting_hour = 1\n')
    nebius = Provider("nebius", "https://anywhere.example/v1", prices_dir=tmp_path)
    assert training_price(nebius, "meta-llama", TODAY).usd_per_hour == Decimal("2.5")


def test_other_peoples_models_are_priced_by_the_public_list() -> None:
    quote = find_price(OPENAI, "gpt-4o", date(2026, 1, 1))
    assert quote.price == TokenPrice(Decimal("2.5"), Decimal(10), Decimal("1.25"))
    assert quote.note.startswith("genai-prices ")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://vllm:8000/v1", False),
        ("", False),
    ],
)
def test_the_public_list_is_asked_about_public_addresses_alone(url: str, public: bool) -> None:
    assert is_public(url) is public


def test_a_long_prompt_costs_the_dearer_tier_of_the_public_list() -> None:
    quote = find_price(OPENAI, "gpt-5.4", TODAY)
    assert quote.price is not None
    assert quote.price.long_from is not None
    short, long = quote.cost(quote.price.long_from, 1000), quote.cost(quote.price.long_from + 1, 1000)
    assert short is not None
    assert long is not None
    assert long > short * Decimal("1.5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider = 'x'\n[[price]]\n", "source: Field required"),
        (GOOD_FILE, "price: Field required"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\ninput = 1\n', "price 1: input and output belong together"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\noutput = -1\ninput = 1\n', "price 1, output"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\n', "price 1: give at least one price"),
        (GOOD_FILE + "[[price]]\nmodels = []\ntraining_token = 1\n", "price 1, models"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\nper_token = 1\n', "price 1, per_token: Extra inputs"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\ntraining_token = nan\n', "price 1, training_token"),
        (GOOD_FILE + '[[price]]\nmodels = ["m"]\ncached_input = 1\n', "cached_input needs input"),
        (
            GOOD_FILE
            + '[[price]]\nmodels = ["m"]\ntraining_token = 1\nvalid_until = 1999-01-01\nvalid_from = 2000-01-01',
            "valid_until lies before valid_from",
        ),
        ("provider =", "is not TOML"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PriceFileError) as caught:
        read_price_file(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="STORYMILL_PRICES_DIR"):
        load_price_book(tmp_path / "nowhere")


def test_prices_are_exact_decimals(tmp_path: Path) -> None:
    write(tmp_path, GOOD_FILE + '[[price]]\nmodels = ["m"]\ninput = 0.1\noutput = 0.30\n')
    nebius = Provider("nebius", "https://n.example/v1", prices_dir=tmp_path)
    assert find_price(nebius, "m", TODAY).cost(3_000_000, 1_000_000) == Decimal("0.6")
