"""What the rest of a run takes, by what was seen."""

from services.gateway.generations.forecast import forecast


def test_the_fewer_were_seen_the_wider_is_what_is_forecast() -> None:
    few, many = forecast(1_000, 4, 10.0, 2.0), forecast(1_000, 400, 10.0, 2.0)
    assert few["expected"] == many["expected"] == 10_000
    assert few["high"] - few["low"] > 5 * (many["high"] - many["low"])
    assert forecast(0, 4, 10.0, 2.0) == {"low": 0.0, "expected": 0.0, "high": 0.0}
