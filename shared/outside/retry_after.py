"""What the other side asks us to wait: `Retry-After` and `Retry-After-Ms`. How much of it is believed, callers say."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.clock import utc_now


def read_retry_after(
    value: str | None, milliseconds: str | None = None, *, now: datetime | None = None
) -> float | None:
    """Return the seconds to wait, from 0 on; None without one, or for nonsense. Milliseconds win: they are exact.
    `value` is a number of seconds or a date, as HTTP has it."""
    exact = _read_number(milliseconds)
    seconds = exact / 1000 if exact is not None else _read_number(value)
    if seconds is None and value:
        return _count_seconds_until(value, now or utc_now())
    return seconds if seconds is not None and seconds >= 0 else None


def _read_number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _count_seconds_until(http_date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(http_date)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
