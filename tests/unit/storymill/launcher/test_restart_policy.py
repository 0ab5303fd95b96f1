"""When a crashed process is started again."""

from storymill.launcher.restart_policy import SLOW_DELAY_SECONDS, RestartPolicy


def test_the_first_restart_is_quick_and_the_next_ones_wait_twice_as_long_each() -> None:
    policy = RestartPolicy()
    assert [policy.record_crash(now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.25, 0.5, 1.0, 2.0]
    assert not policy.is_crash_loop


def test_five_crashes_within_a_minute_are_a_crash_loop_and_the_tries_become_slow() -> None:
    policy = RestartPolicy()
    delays = [policy.record_crash(float(now)) for now in range(5)]
    assert policy.is_crash_loop
    assert delays[-1] == SLOW_DELAY_SECONDS


def test_slow_tries_that_crash_again_stay_slow() -> None:
    policy = RestartPolicy()
    now = 0.0
    for _ in range(5):
        policy.record_crash(now)
    for _ in range(20):
        now += SLOW_DELAY_SECONDS + 1
        assert policy.record_crash(now) == SLOW_DELAY_SECONDS


def test_a_process_that_lived_for_a_minute_is_restarted_quickly_again() -> None:
    policy = RestartPolicy()
    for _ in range(5):
        policy.record_crash(0.0)
    assert policy.record_crash(61.0) == 0.25
    assert not policy.is_crash_loop
