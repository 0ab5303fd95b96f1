"""Key after key from one address."""

import pytest

from shared.auth.wrong_keys import FORGOTTEN_SECONDS, FREE_TRIES, LONGEST_SECONDS, MOST_ADDRESSES, WrongKeys
from shared.errors import RateLimitedError


class Clock:
    """Time that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_doubles_up_to_a_minute_and_is_forgotten() -> None:
    clock, waits = Clock(), list[float]()
    tries = WrongKeys(clock)
    for _ in range(FREE_TRIES + 9):
        try:
            tries.require_patience("a")
        except RateLimitedError as error:
            waits.append(error.retry_after_seconds)
            clock.now += error.retry_after_seconds
            tries.require_patience("a")
        tries.note("a")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_SECONDS == 60
    tries.require_patience("b")
    clock.now += FORGOTTEN_SECONDS + 1
    tries.require_patience("a")
    tries.note("a")
    tries.require_patience("a")


def test_only_so_many_addresses_are_remembered() -> None:
    tries = WrongKeys(Clock())
    for number in range(MOST_ADDRESSES + 1):
        for _ in range(FREE_TRIES if number < 2 else 1):
            tries.note(str(number))
    tries.require_patience("0")  # the oldest
    with pytest.raises(RateLimitedError):
        tries.require_patience("1")
