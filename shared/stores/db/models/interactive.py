"""Interactive requests: one row per text, streamed or not."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment


class Completion(Base):
    """One text of an interactive request. Its id is the id of its stream. A request with several prompts or
    `n` > 1 makes several rows that share `request_id`."""

    __tablename__ = "completion"
    __table_args__ = (
        Index("ix_completion_request_id", "request_id"),
        Index("ix_completion_project_id_id", "project_id", "id"),
        Index("ix_completion_open", "lease_until", postgresql_where=sql("status in ('queued', 'running')")),
        Index("ix_completion_end_due", "finished_at", postgresql_where=sql("not end_published")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    request_id: Mapped[Id]
    choice_index: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16))
    """`completion` or `chat`; `embedding` and `moderation` bring no text."""
    model: Mapped[str] = mapped_column(Text)
    """As the client asked for it."""
    request: Mapped[Json]
    """The body to send upstream for this one text (one prompt, n = 1), with the orders of `text_orders` in it."""
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · succeeded · failed · cancelled."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    cancel_requested_at: Mapped[Moment | None]
    text: Mapped[str] = mapped_column(Text, server_default="")
    """The text so far (checkpointed while it runs), then the whole."""
    text_seq: Mapped[int] = mapped_column(BigInteger, server_default=sql("0"))
    """The cursor's sequence number that `text` reaches, inside `attempt`."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    upstream_model: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the answer holds beside text (tool calls, log probabilities, refusal): its `deltas` in order, and in `at`
    the code points of the text before each of them. Of a row that brings no text, its `result`."""
    told: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the provider said beside its choice: `usage` (details of counts), `system_fingerprint`, `service_tier`."""
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """OpenAI's inner error object plus `status`, when it failed."""
    end_published: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    """False until the `end` frame is out; the reaper heals a finished row whose end was lost."""
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
