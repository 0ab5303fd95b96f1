"""What an append-only client is sent when a stream is delivered twice, in pieces, or started again."""

import pytest

from services.gateway.interactive.relay import Relay, RestartedError
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.frames import Delta, Frame, Rewind, Snapshot

STREAM = "str_1"


def delta(offset: int, text: str, attempt: int = 1, extra: tuple[dict[str, int], ...] = ()) -> Delta:
    """New text after `offset` code points."""
    return Delta(STREAM, Cursor(attempt, 1), Cursor(attempt, 1), offset, text, extra)


def rewind(offset: int = 0, attempt: int = 2) -> Rewind:
    """A new attempt."""
    return Rewind(STREAM, Cursor(attempt, 1), offset)


def snapshot(text: str, attempt: int = 1, extra: tuple[dict[str, int], ...] = ()) -> Snapshot:
    """The whole text so far."""
    return Snapshot(STREAM, Cursor(attempt, 1), text, extra)


def texts(*frames: Frame) -> list[str]:
    """Feed frames; return what was to be sent after each."""
    relay = Relay()
    return ["".join(text for text, _ in relay.take(frame)) for frame in frames]


def test_text_passes_as_it_comes() -> None:
    assert texts(delta(0, "唐朝"), delta(2, "🦸"), delta(3, "。")) == ["唐朝", "🦸", "。"]


def test_what_was_sent_is_not_sent_again() -> None:
    assert texts(delta(0, "唐朝"), delta(1, "朝有"), delta(0, "唐朝有")) == ["唐朝", "有", ""]


def test_a_snapshot_brings_only_what_is_new() -> None:
    assert texts(snapshot("唐朝"), delta(2, "有"), snapshot("唐朝有人"), delta(4, "。")) == ["唐朝", "有", "人", "。"]


def test_a_new_attempt_before_any_text_is_not_seen() -> None:
    assert texts(rewind(), delta(0, "唐", 2)) == ["", "唐"]


def test_a_new_attempt_that_says_the_same_goes_on_where_the_client_is() -> None:
    frames = (
        delta(0, "唐朝有"),
        rewind(),
        delta(0, "唐", 2),
        delta(1, "朝", 2),
        delta(2, "有人", 2),
        delta(4, "。", 2),
    )
    assert texts(*frames) == ["唐朝有", "", "", "", "人", "。"]


def test_a_new_attempt_that_says_something_else_is_an_error() -> None:
    with pytest.raises(RestartedError):
        texts(delta(0, "唐朝有"), rewind(), delta(0, "唐", 2), delta(1, "代", 2))
    with pytest.raises(RestartedError):
        texts(delta(0, "唐朝"), snapshot("宋朝"))


def test_a_rewind_to_the_middle_keeps_what_is_before_it() -> None:
    assert texts(delta(0, "唐朝有"), rewind(2), delta(2, "有人", 2)) == ["唐朝有", "", "人"]
    with pytest.raises(RestartedError):
        texts(delta(0, "唐朝有"), rewind(2), delta(2, "的", 2))


def test_extra_fields_pass_once_and_cannot_be_taken_back() -> None:
    relay = Relay()
    assert relay.take(delta(0, "", extra=({"a": 1},))) == [("", {"a": 1})]
    assert relay.take(snapshot("", extra=({"a": 1}, {"b": 2}))) == [("", {"b": 2})]
    with pytest.raises(RestartedError):
        relay.take(rewind())


def test_what_gathered_comes_in_the_order_in_which_the_provider_said_it() -> None:
    think, logprobs, more = {"reasoning_content": "想"}, {"logprobs": {"content": [1]}}, {"logprobs": {"content": [2]}}
    frame = Delta(STREAM, Cursor(1, 1), Cursor(1, 9), 0, "唐朝有", (think, think, logprobs, more), (0, 0, 0, 2))
    assert Relay().take(frame) == [("", think), ("", think), ("唐朝", logprobs), ("有", more)]


def test_text_that_was_sent_already_does_not_move_what_stands_beside_the_rest() -> None:
    relay, call = Relay(), {"tool_calls": [{"index": 0}]}
    assert relay.take(delta(0, "唐朝")) == [("唐朝", None)]
    late = Snapshot(STREAM, Cursor(1, 9), "唐朝有人", (call, call), (3, 4))
    assert relay.take(late) == [("有", None), ("", call), ("人", None), ("", call)]


def test_workers_of_earlier_versions_tell_no_places_and_theirs_come_last() -> None:
    assert Relay().take(delta(0, "唐朝", extra=({"a": 1},))) == [("唐朝", None), ("", {"a": 1})]
