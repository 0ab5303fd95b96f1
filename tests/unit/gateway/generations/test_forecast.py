"""What the rest of a run takes, by what was seen."""

import pytest

from services.gateway.generations.forecast import forecast, list_doubts
from shared.stores.db.repositories.pilots import SeenCosts


def test_the_fewer_were_seen_the_wider_is_what_is_forecast() -> None:
    few, many = forecast(1_000, 4, 10.0, 2.0), forecast(1_000, 400, 10.0, 2.0)
    assert few["expected"] == many["expected"] == 10_000
    assert few["high"] - few["low"] > 5 * (many["high"] - many["low"])
    assert forecast(0, 4, 10.0, 2.0) == {"low": 0.0, "expected": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("stories", "failed", "rejected", "doubts"),
    [
        (20, 0, 0, []),
        (0, 0, 0, ["too few stories are written to say what the rest will take"]),
        (1, 1, 0, ["too few stories are written to say what the rest will take"]),
        (20, 20, 0, ["all 20 stories failed: what the rest will take is unknown"]),
        (20, 3, 2, ["of 20 stories 3 failed and 2 rejected"]),
        (20, 0, 20, ["of 20 stories 20 rejected"]),
    ],
)
def test_what_says_little_of_the_rest_is_told(stories: int, failed: int, rejected: int, doubts: list[str]) -> None:
    seen = SeenCosts(stories, failed, rejected, stories, rejected, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, is_priced=True)
    assert list_doubts(seen) == doubts
