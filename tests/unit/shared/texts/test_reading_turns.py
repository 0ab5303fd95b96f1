"""Threads that read long files take turns, and none is kept out by another that stops."""

import threading
from collections.abc import Iterator

import pytest

from shared.texts import reading_turns
from shared.texts.reading_turns import TURN_SECONDS, in_turns, wait_for_turn


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reading_turns, "time", clock)
    return clock


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    readers: list[object] = []
    monkeypatch.setattr(reading_turns, "_reading", readers)
    yield readers
    assert readers == []


def run_in_thread(lines: Iterator[bytes]) -> list[bytes]:
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.extend(lines))
    thread.start()
    thread.join(10)
    return found


def test_of_three_readers_one_works_at_a_time(clock: Clock, reading: list[object]) -> None:
    first, second, third = object(), object(), object()
    reading.extend((first, second, third))
    begun = {}
    for reader in (third, first, second):
        clock.now = 0.0
        wait_for_turn(reader)
        begun[reader] = round(clock.now / TURN_SECONDS)
    assert begun == {first: 0, second: 1, third: 2}
    reading.clear()


def test_who_reads_alone_leaves_the_loop_the_end_of_each_turn(clock: Clock, reading: list[object]) -> None:
    clock.now = TURN_SECONDS * 1.5
    assert run_in_thread(in_turns([b"a", b"b"])) == [b"a", b"b"]
    assert clock.now == TURN_SECONDS * 1.5
    clock.now = TURN_SECONDS * 1.95
    assert run_in_thread(in_turns([b"a", b"b"])) == [b"a", b"b"]
    assert clock.now == TURN_SECONDS * 2


def test_a_reader_that_stops_in_the_middle_takes_no_more_turns(reading: list[object]) -> None:
    def read_one() -> None:
        lines = in_turns([b"a", b"b"])
        assert next(lines) == b"a"
        assert len(reading) == 1

    thread = threading.Thread(target=read_one)
    thread.start()
    thread.join(10)
    assert reading == []


def test_beside_a_reader_that_hangs_the_others_go_on(reading: list[object]) -> None:
    hanging = object()
    reading.append(hanging)
    lines = [b"%d" % number for number in range(1_000)]
    assert run_in_thread(in_turns(lines)) == lines
    reading.remove(hanging)
