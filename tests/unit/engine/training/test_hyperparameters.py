"""Hyperparameters: bounds, and what `auto` becomes."""

import pytest

from services.engine.training.hyperparameters import (
    HyperparameterError,
    RequestedHyperparameters,
    choose_batch_size,
    choose_epochs,
    parse_hyperparameters,
    settle,
)


def test_few_examples_are_seen_more_often_and_many_less() -> None:
    assert choose_epochs(1) == 25
    assert choose_epochs(10) == 10
    assert choose_epochs(207) == 4
    assert choose_epochs(20_000) == 1


def test_batch_size_grows_with_the_data() -> None:
    assert [choose_batch_size(count) for count in (1, 464, 5_000, 1_000_000)] == [1, 1, 10, 256]


def test_given_numbers_win_over_auto() -> None:
    requested = parse_hyperparameters({"n_epochs": 3, "batch_size": None, "learning_rate_multiplier": "auto"}, "h")
    settled = settle(requested, 464)
    assert (settled.n_epochs, settled.batch_size, settled.learning_rate_multiplier) == (3, 1, 1.0)


def test_a_request_without_hyperparameters_is_all_auto() -> None:
    assert parse_hyperparameters({}, "h") == RequestedHyperparameters()


def test_a_whole_number_is_one_however_it_is_spelled() -> None:
    requested = parse_hyperparameters({"n_epochs": 3.0, "batch_size": 2.0}, "h")
    assert (str(requested.n_epochs), str(requested.batch_size)) == ("3", "2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_epochs", 0),
        ("n_epochs", 51),
        ("n_epochs", 1.5),
        ("n_epochs", True),
        ("n_epochs", "many"),
        ("batch_size", -1),
        ("batch_size", 257),
        ("learning_rate_multiplier", 0),
        ("learning_rate_multiplier", float("nan")),
        ("learning_rate_multiplier", float("inf")),
        ("learning_rate_multiplier", []),
        ("prompt_loss_weight", 1.1),
        ("prompt_loss_weight", -0.1),
        ("beta", 0),
    ],
)
def test_values_out_of_bounds_are_named(name: str, value: object) -> None:
    with pytest.raises(HyperparameterError, match=name) as caught:
        parse_hyperparameters({name: value}, "method.supervised.hyperparameters")
    assert caught.value.param == f"method.supervised.hyperparameters.{name}"


def test_an_unknown_name_is_refused_and_not_passed_over() -> None:
    with pytest.raises(
        HyperparameterError, match="lora_rank is not known here; known are: n_epochs, batch_size"
    ) as caught:
        parse_hyperparameters({"n_epochs": 3, "lora_rank": 8}, "method.supervised.hyperparameters")
    assert caught.value.param == "method.supervised.hyperparameters.lora_rank"
