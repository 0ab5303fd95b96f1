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
    return [relay.take(frame)[0] for frame in frames]


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
    assert relay.take(delta(0, "", extra=({"a": 1},))) == ("", [{"a": 1}])
    assert relay.take(snapshot("", extra=({"a": 1}, {"b": 2}))) == ("", [{"b": 2}])
    with pytest.raises(RestartedError):
        relay.take(rewind())
