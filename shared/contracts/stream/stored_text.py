"""What Postgres knows of a stream, as the hub needs it when Redis has nothing or too little."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.contracts.statuses import COMPLETION
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.frames import End, Snapshot


@dataclass(frozen=True, slots=True)
class StoredText:
    """One row: the text so far, and the cursor (`attempt`, `seq`) that it reaches. `usage` and `error` have
    OpenAI's shapes."""

    stream: str
    project_id: str
    status: str
    attempt: int
    seq: int
    text: str
    chars: int
    sha256: str | None = None
    usage: dict[str, Any] | None = None
    finish_reason: str | None = None
    error: dict[str, Any] | None = None
    told: dict[str, Any] | None = None
    finished_at: datetime | None = None
    extra: tuple[dict[str, Any], ...] = ()
    extra_at: tuple[int, ...] = ()

    @property
    def is_final(self) -> bool:
        """Say whether the row will not change any more."""
        return self.status in COMPLETION.final

    @property
    def cursor(self) -> Cursor:
        """The cursor that the text reaches."""
        return Cursor(self.attempt, self.seq)

    def to_snapshot(self) -> Snapshot:
        """Return the text as a frame."""
        return Snapshot(self.stream, self.cursor, self.text, self.extra, self.extra_at)

    def to_end(self) -> End:
        """Return the end frame of a final row: the same, to the cursor, that its worker would send."""
        return End(
            self.stream,
            self.cursor.next(),
            self.status,
            self.chars,
            self.sha256 or "",
            self.usage,
            self.finish_reason,
            self.error,
            self.told,
        )
