"""What a provider's models do not understand of OpenAI's words: learnt from refusals and kept for the next call."""

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.failures import FailureClass, LlmError

REFUSAL_WORDS: Final = re.compile(
    r"unsupported|(?:not|n't) (?:be )?(?:support|allow|permit|accept)|unknown|unrecogni[sz]ed|unexpected|unverified"
    r"|must be verified|extra[ _](?:inputs|fields|forbidden)|additional propert|cannot find field|no such",
    re.IGNORECASE,
)
"""That a parameter is not known or not taken, as against a value that is too large."""
STREAMS_ONLY: Final = re.compile(
    r"only supports? (?:the )?stream|enable the stream parameter|non[- ]stream\w* .{0,30}not support"
    r"|stream\W{0,3} (?:must|should|has to) be (?:set to )?true|require[sd]? .{0,20}stream\W{0,3}(?:=|:|to be) ?true",
    re.IGNORECASE,
)
"""That a model gives no whole answers."""
WRONG_TYPE: Final = re.compile(r"(?:expected an?|should be an? valid|must be an?) (integer|boolean)", re.IGNORECASE)
"""`expected an integer, but got a boolean` (OpenAI), `invalid type: integer 1, expected a boolean` (Together)."""
REFRESH_SECONDS: Final = 60.0
"""So often a process looks at what the others have learnt of a provider."""
IN_VAIN_SECONDS: Final = 600.0
"""A change that did not help is not tried again for so long: each try is a call, though a free one."""

log = get_logger(__name__)


class Change(StrEnum):
    """How a request is said otherwise; the value is shown to people."""

    NO_STREAM_OPTIONS = "without stream_options"
    WHOLE = "whole answers in place of streams"
    STREAMED = "streams in place of whole answers"
    MAX_COMPLETION_TOKENS = "max_completion_tokens for max_tokens"
    MAX_TOKENS = "max_tokens for max_completion_tokens"
    COUNTED_LOGPROBS = "the count of log probabilities in logprobs"
    TOP_LOGPROBS = "the count of log probabilities in top_logprobs"


TWINS: Final = {
    Change.MAX_COMPLETION_TOKENS: ("max_tokens", "max_completion_tokens"),
    Change.MAX_TOKENS: ("max_completion_tokens", "max_tokens"),
}
OPPOSITES: Final = {
    Change.COUNTED_LOGPROBS: Change.TOP_LOGPROBS,
    Change.TOP_LOGPROBS: Change.COUNTED_LOGPROBS,
    Change.WHOLE: Change.STREAMED,
    Change.STREAMED: Change.WHOLE,
    Change.MAX_COMPLETION_TOKENS: Change.MAX_TOKENS,
    Change.MAX_TOKENS: Change.MAX_COMPLETION_TOKENS,
}
Changes = frozenset[Change]


class DialectStore(Protocol):
    """Where the processes of a cluster share what they learn. It raises nothing: what it cannot do is learnt again."""

    async def read(self, provider: str) -> Mapping[str, Changes]:
        """Return what is known of a provider, by model."""
        ...

    async def write(self, provider: str, model: str, changes: Changes) -> None:
        """Keep what was learnt of a model."""
        ...


@dataclass(slots=True)
class Dialects:
    """What this process knows of all providers. `store`: what the others know."""

    store: DialectStore | None = None
    _learnt: dict[tuple[str, str], Changes] = field(default_factory=dict)
    _read_at: dict[str, float] = field(default_factory=dict)
    _in_vain: dict[tuple[str, str, Change], float] = field(default_factory=dict)

    async def begin(self, target: Target) -> "Attempted":
        """Return what to do with a call's requests, by what is known of its model."""
        await self._refresh(target.provider)
        known = self._learnt.get((target.provider.name, target.model), frozenset[Change]())
        return Attempted(self, target, known, known)

    async def learn(self, target: Target, changes: Changes) -> None:
        """Keep what helped."""
        name, model = target.provider.name, target.model
        self._learnt[name, model] = changes
        log.info("dialect_learnt", provider=name, model=model, changes=sorted(changes))
        if self.store is not None:
            await self.store.write(name, model, changes)

    def give_up(self, target: Target, changes: Collection[Change]) -> None:
        """Note what did not help."""
        until = time.monotonic() + IN_VAIN_SECONDS
        self._in_vain.update({(target.provider.name, target.model, change): until for change in changes})

    def is_in_vain(self, target: Target, change: Change) -> bool:
        """Say whether a change was tried not long ago, and did not help."""
        return time.monotonic() < self._in_vain.get((target.provider.name, target.model, change), 0.0)

    async def _refresh(self, provider: Provider) -> None:
        now, name = time.monotonic(), provider.name
        if self.store is None or now - self._read_at.get(name, float("-inf")) < REFRESH_SECONDS:
            return
        self._read_at[name] = now  # before the waiting: many calls begin at once
        for model, changes in (await self.store.read(name)).items():
            self._learnt[name, model] = changes


@dataclass(slots=True)
class Attempted:
    """One call's requests: the first as it is known, each next one as a refusal asks for."""

    _dialects: Dialects
    _target: Target
    _known: Changes
    _changes: Changes
    _tried: set[Change] = field(default_factory=set)
    _first: LlmError | None = None

    def translate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request in the provider's words."""
        return translate(body, self._changes)

    def take_refusal(self, error: LlmError, asked: Mapping[str, Any]) -> LlmError | None:
        """Return None when the request is worth being sent once more, translated anew; else the error to raise: the
        first one, which is about what the caller asked."""
        change = find_change(error, asked)
        if change is None or change in self._tried or self._dialects.is_in_vain(self._target, change):
            if error.failure_class is FailureClass.INVALID_REQUEST:
                self._dialects.give_up(self._target, self._tried)
                return self._first or error
            return error
        self._first = self._first or error
        self._tried.add(change)
        self._changes = (self._changes - {OPPOSITES.get(change, change)}) | {change}
        return None

    async def confirm(self) -> None:
        """Keep what was changed: the provider has understood."""
        if self._changes != self._known:
            await self._dialects.learn(self._target, self._changes)


def translate(body: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a request in other words."""
    said = dict(body)
    if Change.WHOLE in changes and said.get("stream"):
        said["stream"] = False
        said.pop("stream_options", None)
    if Change.STREAMED in changes and said.get("stream") is False:
        said |= {"stream": True, "stream_options": {"include_usage": True}}
    if Change.NO_STREAM_OPTIONS in changes:
        said.pop("stream_options", None)
    for change, (old, new) in TWINS.items():
        if change in changes and old in said:
            value = said.pop(old)
            said.setdefault(new, value)
    return translate_logprobs(said, changes)


def translate_logprobs(said: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a request with the count of log probabilities where the provider wants it."""
    asked = said.get("logprobs")
    if Change.COUNTED_LOGPROBS in changes and asked is True:
        count = said.pop("top_logprobs", None)
        return {**said, "logprobs": count or 1}
    if Change.TOP_LOGPROBS in changes and type(asked) is int:
        return {**said, "logprobs": True, "top_logprobs": asked}
    return said


def find_change(error: LlmError, asked: Mapping[str, Any]) -> Change | None:
    """Return what to say otherwise after a refusal that names a parameter which we added, or which has a twin."""
    if error.failure_class is not FailureClass.INVALID_REQUEST:
        return None
    if "stream_options" in asked and names(error, "stream_options"):
        return Change.NO_STREAM_OPTIONS
    if asked.get("stream") is False and STREAMS_ONLY.search(error.message):
        return Change.STREAMED
    if (wrong := WRONG_TYPE.search(error.message)) and asked.get("logprobs") is not None:
        return find_logprobs_change(asked["logprobs"], wrong[1].lower())
    return find_word_change(error, asked)


def find_logprobs_change(value: object, wanted: str) -> Change | None:
    """Return where a count of log probabilities belongs, after a refusal of its type."""
    if isinstance(value, bool):
        return Change.COUNTED_LOGPROBS if wanted == "integer" else None
    return Change.TOP_LOGPROBS if wanted == "boolean" else None


def find_word_change(error: LlmError, asked: Mapping[str, Any]) -> Change | None:
    """Return what to say otherwise after a refusal of a word that is not known or not taken."""
    if not REFUSAL_WORDS.search(f"{error.code} {error.message}"):
        return None
    # A refusal names the twin too, as what to say instead: what counts is what was said.
    for change, (old, _) in TWINS.items():
        if "messages" in asked and old in asked and names(error, old):
            return change
    return Change.WHOLE if asked.get("stream") and names(error, "stream") else None


def names(error: LlmError, parameter: str) -> bool:
    """Say whether a refusal speaks of a parameter: as its `param`, or in its words."""
    if error.param is not None and error.param.partition(".")[0] == parameter:
        return True
    return re.search(rf"(?<![\w-]){parameter}(?![\w-])", error.message) is not None
