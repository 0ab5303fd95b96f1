"""A provider's answer read as it comes, whatever it is: deltas, and in the end whether it is whole. No sockets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from shared.contracts.storable import decode_text, make_storable_json
from shared.outside.providers.border.answers import Kind, LlmDelta, Said, read_said, request_id
from shared.outside.providers.border.credit import speaks_of_credit
from shared.outside.providers.border.events import Event, EventReader, EventTooLargeError, is_done
from shared.outside.providers.border.http_errors import error_from_body, find_error_body, is_page
from shared.outside.providers.border.json_values import (
    NotStrictJsonError,
    read_odd_json,
    read_strict_object,
    require_object,
)
from shared.outside.providers.border.text_joiner import DeltaJoiner
from shared.outside.providers.border.tool_calls import CallCounter
from shared.outside.providers.border.usage import Usage, believe
from shared.outside.providers.failures import FailureClass, LlmError
from shared.texts.finish_reasons import Ending

BAD_REQUEST: Final = 400
"""What an error that came with 200 means (MiniMax)."""
KEPT_ALIVE: Final = frozenset({b"", b"null", b"ping", b"keepalive", b"keep-alive", b"heartbeat", b'"ping"'})
"""Events that only keep a connection open."""
LONGEST_KEPT_ALIVE: Final = 20


class DeltaReader:
    """Feed it a body's bytes, get deltas; `finish_reason`, `usage` and `model` hold what was told so far."""

    def __init__(self, kind: Kind, headers: Mapping[str, str]) -> None:
        self._kind: Kind = kind
        self._headers = headers
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.told: dict[str, str] = {}
        """What the answer says of itself: `system_fingerprint`, `service_tier`."""
        self.done = False
        """Whether `[DONE]` was read: all that is left is the end of the body."""
        self._events = EventReader()
        self._joiner = DeltaJoiner()
        self._calls = CallCounter()
        self._usage: Usage | None = None
        self._error: LlmError | None = None
        self._words: str | None = None
        self._objects = 0
        self._is_message = self._is_stream = False
        self._has_choice = self._has_text = self._has_calls = False

    @property
    def usage(self) -> Usage | None:
        """The tokens that the provider counted, if it did and the text does not belie it."""
        return believe(self._usage, has_text=self._has_text, may_be_prompt=self._kind == "completion")

    @property
    def has_begun(self) -> bool:
        """Whether anything was read."""
        return self._objects > 0

    def feed(self, chunk: bytes) -> Iterable[LlmDelta]:
        """Return the deltas that `chunk` completes. Raises, here or while they are read: LlmError (malformed, or what
        an error object says), but not once the text has its finish reason: nothing of worth can follow."""
        data = None if self.done or self.finish_reason is not None else self._events.take_usual(chunk)
        if data is None:
            return self._feed_any(chunk)
        said, is_odd = self._read(None, data)
        return (self._take_said(said, is_odd=is_odd),)

    def _feed_any(self, chunk: bytes) -> Iterator[LlmDelta]:
        if self.done:
            return
        try:
            events = self._events.feed(chunk)
        except EventTooLargeError as error:
            if self.finish_reason is None:
                raise self._fail(FailureClass.MALFORMED, str(error)) from error
            self.done = True
            return
        yield from self._take_events(events)

    def finish(self) -> Iterator[LlmDelta]:
        """Yield what the end of the body completes. Raises: LlmError, as `feed`; cut_connection for half an event."""
        if not self.done:
            has_begun = self.has_begun
            try:
                yield from self._take_events(self._events.finish())
            except LlmError as error:
                if not has_begun or error.failure_class is not FailureClass.MALFORMED:
                    raise
                raise self._fail(FailureClass.CUT_CONNECTION, "the provider's stream ended inside an event") from error
        text, beside = self._joiner.finish()
        if text or beside:
            yield LlmDelta(text, beside or None)

    def read_whole(self, raw: bytes) -> Iterator[LlmDelta]:
        """Yield the deltas of a body that is there: most are one JSON object. Raises: LlmError, as `feed`."""
        try:
            body = read_strict_object(raw, what="answer")
        except NotStrictJsonError:
            yield from self.feed(raw)
            yield from self.finish()
        else:
            yield self._take_said(read_said(self._kind, body, self._headers))

    def find_fault(self) -> LlmError | None:
        """Say, after the end, why this is no whole answer, if so; else it has its finish reason from now on."""
        if self._error is not None:
            return self._describe_break(self._error)
        if self.finish_reason is not None:
            return None
        if self._has_choice and (self.done or self._is_answer):
            if not (self._has_text or self._has_calls):
                return self._fail(FailureClass.EMPTY, "the provider's answer is empty")
            self.finish_reason = (Ending.STOP if self._has_text else Ending.TOOL_CALLS).value
            return None
        return self._describe_nothing()

    @property
    def _is_answer(self) -> bool:
        """Whether it was no stream of chunks but one answer, which is whole without a word for its end."""
        return self._is_message or (self._events.is_bare and self._objects == 1 and not self._is_stream)

    def _describe_nothing(self) -> LlmError:
        if not self._has_choice and (self._words is not None or (self._events.is_bare and self.has_begun)):
            words = f": {self._words}" if self._words else ""
            is_out_of_credit = speaks_of_credit(BAD_REQUEST, None, None, self._words or "", None)
            kind = FailureClass.QUOTA_EXHAUSTED if is_out_of_credit else FailureClass.MALFORMED
            return self._fail(kind, f"the provider's answer has no choices{words}")
        if self.done:
            return self._fail(FailureClass.EMPTY, "the provider's stream has nothing in it")
        return self._fail(FailureClass.CUT_CONNECTION, "the provider's stream ended without a finish reason")

    def _describe_break(self, error: LlmError) -> LlmError:
        """Return what a choice's error means: behind a text, or with tokens counted, it may have been paid for."""
        if not self._has_text and self._usage is None:
            return error
        return LlmError(FailureClass.CUT_CONNECTION, error.message, code=error.code, request_id=error.request_id)

    def _fail(self, failure_class: FailureClass, message: str) -> LlmError:
        return LlmError(failure_class, message, request_id=request_id(self._headers))

    def _take_events(self, events: Iterable[Event]) -> Iterator[LlmDelta]:
        for name, data in events:
            if is_done(data):
                self.done = True
                return
            if len(data) < LONGEST_KEPT_ALIVE and not self._events.is_bare and data.strip().lower() in KEPT_ALIVE:
                continue
            try:
                said, is_odd = self._read(name, data)
            except LlmError:
                if self.finish_reason is None:
                    raise
                continue
            yield self._take_said(said, is_odd=is_odd)

    def _read(self, name: str | None, data: bytes) -> tuple[Said, bool]:
        if name == "error":
            raise error_from_body(200, find_error_body(data), self._headers)
        if not self._objects and is_page(data):
            raise self._fail(FailureClass.SERVER_ERROR, f"a page came in place of an answer: {decode_text(data)}")
        try:
            return read_said(self._kind, read_strict_object(data, what="chunk"), self._headers), False
        except NotStrictJsonError:
            as_it_came = require_object(read_odd_json(data, what="chunk"), what="chunk")
            said = read_said(self._kind, make_storable_json(as_it_came), self._headers)
            raw = read_said(self._kind, as_it_came, self._headers)
            return replace(said, text=raw.text, extra=raw.extra), True

    def _take_said(self, said: Said, *, is_odd: bool = False) -> LlmDelta:
        self._objects += 1
        text, extra = said.text, said.extra
        if extra or is_odd or said.is_whole or self._joiner.holds_half:
            text, extra = self._write(said, is_odd=is_odd)
        self.model = said.model or self.model or ""
        if said.has_choice:
            self._has_choice = True
            self._is_stream = self._is_stream or said.is_chunk
            self._has_text = self._has_text or bool(text and not text.isspace())
            self._error = said.error or self._error
            self.finish_reason = said.reason or self.finish_reason
        else:
            self._words = said.words or self._words
        self._usage = said.usage or self._usage
        if said.told:
            self.told = said.told
        return LlmDelta(text, extra or None, said.reason, said.usage, said.model)

    def _write(self, said: Said, *, is_odd: bool) -> tuple[str, dict[str, Any]]:
        """Return what is new of an object's text and of what stands beside it, storable."""
        if said.is_whole and (self._has_text or self._has_calls):  # the whole again, behind its deltas
            return "", {}
        self._is_message = self._is_message or said.is_whole
        text, extra = said.text, said.extra
        if calls := extra.get("tool_calls"):
            extra = {**extra, "tool_calls": self._calls.number(calls)}
        self._has_calls = self._has_calls or bool(calls or extra.get("function_call"))
        return self._joiner.join(text, extra) if is_odd or self._joiner.holds_half else (text, extra)
