"""How the number of calls in flight follows the provider."""

from services.workers.generation.call_slots import START_CALLS, CallSlots


def run_round(slots: CallSlots, seconds: float) -> None:
    """Fill every slot and answer all calls."""
    calls = slots.count_free(0)
    slots.occupy(calls)
    for _ in range(calls):
        slots.release()
        slots.record_answer(seconds)
        slots.settle()


def test_slots_double_while_answers_stay_fast() -> None:
    slots = CallSlots(256)
    for expected in (START_CALLS, 32, 64, 128, 256, 256):
        assert slots.limit == expected
        run_round(slots, 0.05)


def test_a_provider_that_queues_our_calls_gets_no_more_of_them() -> None:
    slots = CallSlots(256)
    for _ in range(20):
        run_round(slots, 0.01 * slots.limit)  # latency grows with the calls: it serves them one by one
    assert START_CALLS <= slots.limit <= 3 * START_CALLS


def test_slots_do_not_grow_while_some_stay_empty() -> None:
    slots = CallSlots(256)
    for _ in range(100):
        slots.occupy(1)
        slots.release()
        slots.record_answer(0.05)
        slots.settle()
    assert slots.limit == START_CALLS


def test_a_burst_of_refusals_cuts_once_and_silences_the_worker_as_long_as_asked() -> None:
    slots = CallSlots(256)
    run_round(slots, 0.05)
    for _ in range(30):
        slots.record_refusal(0.5)
    assert slots.limit == int(32 * 0.6)
    assert slots.paused_until > 0
    run_round(slots, 0.05)
    assert slots.limit == int(32 * 0.6)  # no growth right after


def test_two_slices_get_half_each() -> None:
    slots = CallSlots(256)
    slots.slices = 2
    assert slots.count_free(0) == START_CALLS // 2
    assert slots.count_free(START_CALLS // 2) == 0


def test_answers_that_are_not_committed_count_against_the_most() -> None:
    slots = CallSlots(20)
    slots.occupy(16)
    for _ in range(16):
        slots.release()
    assert slots.count_free(0) == 4
    slots.settle()
    assert slots.count_free(0) == 5
