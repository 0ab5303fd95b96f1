"""Prices of training: by tokens and by the hour, estimates, budgets, what is unknown."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from services.gateway.roi.hosting import find_hosting_price
from shared.errors import InvalidRequestError
from shared.outside.prices.epochs import choose_epochs
from shared.outside.prices.training import (
    TrainingQuote,
    estimate_training,
    require_known_training_price,
    training_cost,
    training_price,
)
from shared.outside.providers.configuration import CapacityPrice, Provider, load_providers
from shared.settings import Settings

TODAY = date(2026, 11, 23)
ENGINE = Provider("engine", "http://e/v1")
UNKNOWN = Provider("somebody", "http://s/v1")


def test_the_engine_trains_for_nothing() -> None:
    quote = training_price(ENGINE, "curie", TODAY)
    assert training_cost(quote, 10**9) == 0
    require_known_training_price(quote, "curie")


def test_electricity_of_the_engine_is_priced_by_the_hour_if_configured() -> None:
    priced = Provider("engine", "http://e/v1", capacity_prices=(("*", CapacityPrice(None, Decimal("0.36"), None)),))
    quote = training_price(priced, "curie", TODAY)
    assert training_cost(quote, 5, 100.0) == Decimal("0.01")
    assert training_cost(quote, 5) is None


def test_providers_toml_gives_training_and_hosting_prices_without_a_price_of_calls(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(
        """
        [providers.nebius]
        base_url = "https://nebius.example/v1"
        [providers.nebius.prices."meta-*"]
        training_usd_per_million = 2.8
        hosting_usd_per_hour = 1.5
        """,
        encoding="utf-8",
    )
    settings = Settings.model_validate({"engine_url": None, "OPENAI_API_KEY": None, "providers_file": path})
    nebius = load_providers(settings).all[0]
    assert nebius.prices == ()
    assert training_price(nebius, "ft:meta-llama:org::1", TODAY).usd_per_million_tokens == Decimal("2.8")
    assert find_hosting_price(nebius, "meta-llama", TODAY) == Decimal("1.5")
    assert find_hosting_price(ENGINE, "curie", TODAY) is None


def test_an_unknown_price_says_how_to_set_one_and_costs_nothing_certain() -> None:
    quote = training_price(UNKNOWN, "m", TODAY)
    estimate = estimate_training(quote, 1000, 3, 60.0)
    assert estimate["usd"] is None
    assert 'set [providers.somebody.prices."m"] training_usd_per_million' in estimate["usd_note"]
    assert estimate["billed_tokens"] == 3000
    assert estimate["seconds"] == pytest.approx(0.2)
    assert training_cost(estimate, 3000) is None


def test_a_budget_without_a_known_price_is_refused_with_how_to_set_one() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        require_known_training_price(training_price(UNKNOWN, "m", TODAY), "m")
    assert (caught.value.param, caught.value.code) == ("budget_usd", "unknown_price")
    assert "training_usd_per_million" in caught.value.message


def test_a_price_by_the_hour_needs_to_know_how_long() -> None:
    quote = TrainingQuote(None, Decimal(100), "by the hour")
    assert estimate_training(quote, 10, 1, None)["usd"] is None
    assert "nothing has been trained there yet" in estimate_training(quote, 10, 1, None)["usd_note"]
    assert estimate_training(quote, 1_000_000, 1, 36.0)["usd"] == 1.0


@pytest.mark.parametrize(
    ("provider", "rows", "epochs"),
    [
        ("engine", 10, 10),
        ("engine", 24, 5),
        ("engine", 3, 25),
        ("engine", 486, 4),
        ("openai", 10, 10),
        ("openai", 486, 3),
        ("openai", 12_500, 2),
        ("openai", 1_000_000, 1),
        ("openai", 0, 25),
    ],
)
def test_automatic_epochs_follow_the_number_of_rows(provider: str, rows: int, epochs: int) -> None:
    assert choose_epochs(provider, rows) == epochs
