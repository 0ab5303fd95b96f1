"""What the command line makes of answers that are no success."""

import httpx2
import pytest

from storymill.client.rest import read_error


@pytest.mark.parametrize("value", ["Mon, 23 Nov 2026 12:02:00 GMT", "soon", "-1", "nan", "inf", ""])
def test_a_waiting_time_that_a_proxy_writes_as_it_likes_does_not_hide_the_error(value: str) -> None:
    error = read_error(httpx2.Response(429, json={"error": {"message": "slow down"}}, headers={"retry-after": value}))
    assert (error.status, error.retry_after_seconds) == (429, None)
    assert str(error).endswith("slow down")


def test_seconds_to_wait_are_read() -> None:
    answer = httpx2.Response(429, json={"error": {"message": "slow down"}}, headers={"retry-after": "2"})
    assert read_error(answer).retry_after_seconds == 2
