"""The one source of wall-clock time: aware UTC."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def unix_seconds(moment: datetime) -> int:
    """Return whole seconds since the epoch, the form of OpenAI's `created` fields."""
    return int(moment.timestamp())
