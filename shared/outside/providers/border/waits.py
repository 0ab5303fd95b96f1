"""How long a provider asks us to wait, in every spelling: headers, fields of the error, its words. Knows no policy:
what is done about an hour, or a week, the callers say."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from shared.clock import utc_now
from shared.outside.providers.border.fields import to_number
from shared.outside.retry_after import read_retry_after

LONGEST_BELIEVED_WAIT_SECONDS: Final = 32 * 86_400.0
"""A month's quota is the longest that anybody gives. What asks for more is nonsense."""
UNIT_SECONDS: Final = {
    **dict.fromkeys(("ms", "millisecond", "msec"), 0.001),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hr", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86_400.0),
}
UNIT: Final = r"(?:milliseconds?|msecs?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|[smhd])"
PART: Final = rf"\d{{1,12}}(?:\.\d{{1,12}})? ?{UNIT}(?:(?![a-z])[ ,]{{0,2}}(?:and )?)"
DURATION: Final = re.compile(rf"(?:{PART}){{1,5}}", re.IGNORECASE)
DURATION_PART: Final = re.compile(rf"(\d+(?:\.\d+)?) ?({UNIT})(?![a-z])", re.IGNORECASE)
TOLD_IN_WORDS: Final = re.compile(
    rf"(?:again|retry|wait|retrying)(?: your request)?(?: in| after| for)?(?: about| at least)? ((?:{PART}){{1,5}})",
    re.IGNORECASE,
)
"""`Please try again in 6m0s`, `Please retry after 26 seconds`, `Please retry in 34.07s.`"""
EPOCH_SECONDS: Final = 1e9
"""A number so large is a moment, no duration; a thousand times as large, one in milliseconds."""
LARGEST_NUMBER: Final = 1e15
RESET_HEADER: Final = re.compile(r"^(?:x-)?(?:[a-z]+-)?ratelimit-(?:.+-)?reset(?:-(?!after).+)?$", re.IGNORECASE)
"""`x-ratelimit-reset-requests` (OpenAI, Groq), `x-ratelimit-reset` (OpenRouter), `ratelimit-reset` (the IETF's drafts),
`anthropic-ratelimit-tokens-reset`."""
WAIT_FIELDS: Final = ("retryDelay", "retry_delay", "retry_after", "retryAfter", "retry_after_seconds")
DEEPEST: Final = 5
MOST_FIELDS: Final = 200
READ_CHARACTERS: Final = 2_000


def find_wait(status: int, headers: Mapping[str, str], body: Mapping[str, Any], message: str) -> float | None:
    """Return the seconds that an error answer asks us to wait; None when it asks for nothing, or for nonsense.

    What is meant for this answer (`retry-after`, the error's own fields, its words) goes before what stands on every
    answer: the reset times of limits are read from a refusal for going too fast alone."""
    now = utc_now()
    told = [read_header(headers, now), find_in_body(body, now), find_in_words(message)]
    if status == 429:
        told += [find_reset(headers, now), find_reset(find_inner_headers(body), now)]
    return next((seconds for seconds in told if seconds is not None), None)


def read_header(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return what `retry-after` and its cousins say."""
    seconds = read_retry_after(headers.get("retry-after"), headers.get("retry-after-ms"), now=now)
    if seconds is None:
        named = ("retry-after", "x-retry-after", "x-ratelimit-retry-after", "x-ratelimit-reset-after")
        told = (read_time(headers.get(name), now) for name in named)
        seconds = next((found for found in told if found is not None), None)
    return believe(seconds)


def find_in_body(body: Mapping[str, Any], now: datetime) -> float | None:
    """Return the longest wait that a field of the body names: Google's `retryDelay` lies in a list of details."""
    told = (read_time(value, now) for name, value in islice(iterate_fields(body), MOST_FIELDS) if name in WAIT_FIELDS)
    return max((seconds for seconds in told if seconds is not None), default=None)


def find_in_words(message: str) -> float | None:
    """Return the wait that a sentence names."""
    found = TOLD_IN_WORDS.search(message, 0, READ_CHARACTERS)
    return believe(read_duration(found[1])) if found else None


def find_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return when a refused call may go, by the limits' reset times: the latest of those that are used up; where none
    says so, the earliest of all."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in islice(headers.items(), MOST_FIELDS):
        found = RESET_HEADER.match(name)
        seconds = read_time(value, now) if found else None
        if found and seconds is not None:
            (used_up if is_used_up(headers, name) else others).append(seconds)
    return max(used_up) if used_up else min(others, default=None)


def is_used_up(headers: Mapping[str, str], reset_name: str) -> bool:
    """Say whether nothing remains of the limit that a reset header belongs to."""
    lower = {name.lower(): value for name, value in headers.items()}
    left = to_number(lower.get(reset_name.lower().replace("reset", "remaining")))
    return left is not None and left <= 0


def find_inner_headers(body: Mapping[str, Any]) -> dict[str, str]:
    """Return headers that a body hands on: OpenRouter's `error.metadata.headers`."""
    found: dict[str, str] = {}
    for name, value in islice(iterate_fields(body), MOST_FIELDS):
        if name == "headers" and isinstance(value, Mapping):
            found |= {str(key): str(item) for key, item in value.items()}
    return found


def iterate_fields(value: object, depth: int = 0) -> Iterable[tuple[str, Any]]:
    """Yield names and values of objects inside objects and lists, not too many, not too deep."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, item in islice(value.items(), MOST_FIELDS):
            yield str(name), item
            yield from iterate_fields(item, depth + 1)
    elif isinstance(value, list):
        for item in islice(value, MOST_FIELDS):
            yield from iterate_fields(item, depth + 1)


def read_time(value: object, now: datetime) -> float | None:
    """Return the seconds from now to a time given as a duration (`6m0s`, `34`, `{"seconds": 34}`) or as a moment (since
    the epoch, in seconds or milliseconds; ISO 8601; as HTTP has it)."""
    if isinstance(value, Mapping):
        whole, nanos = to_number(value.get("seconds")), to_number(value.get("nanos"))
        return believe(whole + (nanos or 0) / 1e9) if whole is not None else None
    number = to_number(value)
    if number is not None:
        return believe(read_number(float(number), now)) if 0 <= number < LARGEST_NUMBER else None
    if not isinstance(value, str) or len(value) > READ_CHARACTERS:
        return None
    text = value.strip()
    seconds = read_duration(text)
    if seconds is None:
        seconds = read_moment(text, now)
    return believe(seconds)


def read_number(number: float, now: datetime) -> float:
    """Return the seconds that a bare number means."""
    if number >= EPOCH_SECONDS:
        moment = number / 1000 if number >= EPOCH_SECONDS * 100 else number
        return max(0.0, moment - now.timestamp())
    return number


def read_duration(text: str) -> float | None:
    """Return the seconds of `1h2m3.5s`, `120ms`, `26 seconds`, `1 day and 3 hours`; None for anything else."""
    parts = DURATION_PART.findall(text) if DURATION.fullmatch(text.strip(" .")) else []
    if not parts:
        return None
    return sum(float(count) * find_unit_seconds(unit.lower()) for count, unit in parts)


def find_unit_seconds(unit: str) -> float:
    """Return a unit's seconds, spelled short or long, one or many."""
    return UNIT_SECONDS[unit] if unit in UNIT_SECONDS else UNIT_SECONDS[unit.removesuffix("s")]


def read_moment(text: str, now: datetime) -> float | None:
    """Return the seconds until a moment given in words."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return read_retry_after(text, now=now)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def believe(seconds: float | None) -> float | None:
    """Return a sane wait, None for another."""
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_BELIEVED_WAIT_SECONDS else None
