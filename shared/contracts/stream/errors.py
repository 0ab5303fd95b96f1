"""What can go wrong with a stream, as part of the one error tree."""

from typing import ClassVar

from shared.errors import InvalidRequestError, ServiceUnavailableError, StorymillError


class InvalidCursorError(InvalidRequestError):
    """A cursor is not of the form `attempt-sequence`."""

    default_code: ClassVar[str] = "invalid_cursor"


class InvalidFrameError(StorymillError):
    """A frame in Redis cannot be read: written by something else, or by a newer release."""

    default_code: ClassVar[str] = "invalid_frame"


class StreamFencedError(StorymillError):
    """A later attempt owns the stream: nothing more of this one may become visible."""

    default_code: ClassVar[str] = "stream_fenced"


class StreamUnavailableError(ServiceUnavailableError):
    """Redis did not take the frames in time. The text is safe with the worker; the reaper sends the end."""

    default_code: ClassVar[str] = "stream_unavailable"
