"""What votes come to."""

import pytest

from shared.contracts.votes import PairVotes, tally, wilson_interval


def test_a_pair_is_won_only_when_both_orders_agree() -> None:
    assert PairVotes("model", "model").outcome == "model"
    assert PairVotes("against", "against").outcome == "against"
    assert PairVotes("model", "against").outcome == "tie"
    assert PairVotes("model", "tie").outcome == "tie"
    assert PairVotes(None, "against").outcome == "against"


def test_a_tie_is_half_a_win_and_the_orders_sway_is_told() -> None:
    result = tally([PairVotes("model", "model"), PairVotes("model", "against"), PairVotes("against", "against")])
    assert (result["wins"], result["ties"], result["losses"]) == (1, 1, 1)
    assert result["win_rate"] == 0.5
    assert result["swayed_by_order"] == pytest.approx(1 / 3)


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_nothing_voted_has_no_win_rate() -> None:
    assert tally([PairVotes(None, None)])["win_rate"] is None
