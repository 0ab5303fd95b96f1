"""What the other side asks us to wait."""

from datetime import UTC, datetime

import pytest

from shared.outside.retry_after import read_retry_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "-1", "Mon, 99 Foo", "1 Jan 99999 00:00"])
def test_nonsense_asks_for_nothing(value: str | None) -> None:
    assert read_retry_after(value, now=NOW) is None


@pytest.mark.parametrize(
    "value", ["Mon, 23 Nov 2026 12:02:00 GMT", "Mon, 23 Nov 2026 12:02:00", "Mon, 23 Nov 2026 14:02:00 +0200", "120"]
)
def test_a_date_and_a_number_are_understood(value: str) -> None:
    assert read_retry_after(value, now=NOW) == 120


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert read_retry_after("Sun, 01 Jan 2023 00:00:00 GMT", now=NOW) == 0


def test_milliseconds_are_exact_and_win() -> None:
    assert read_retry_after("2", "1250", now=NOW) == 1.25
    assert read_retry_after("2", "soon", now=NOW) == 2
