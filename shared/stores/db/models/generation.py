"""Volume runs: a generation, its stories, the upstream calls made for them, and the books."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.stores.db.models.base import Base, Created, Id, IdKey, Json, Moment, Money

ZERO = sql("0")


class Generation(Base):
    """One run of a recipe version. The counters change in the transaction that changes the stories."""

    __tablename__ = "generation"
    __table_args__ = (
        Index("ix_generation_project_id_id", "project_id", "id"),
        # By id: an index of what a worker's hold writes would make each of those writes dearer.
        Index("ix_generation_open", "id", postgresql_where=sql("status in ('queued', 'running')")),
        Index("ix_generation_cancelled", "id", postgresql_where=sql("status = 'cancelled'")),
        Index("ix_generation_of_batch", "project_id", postgresql_where=sql("recipe_version_id is null")),
        Index("ix_generation_resumes_at", "resumes_at", postgresql_where=sql("resumes_at is not null")),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id] = mapped_column(ForeignKey("project.id"))
    api_key_id: Mapped[Id] = mapped_column(ForeignKey("api_key.id"))
    recipe_version_id: Mapped[Id | None] = mapped_column(ForeignKey("recipe_version.id"))
    """Null for the run of a batch, whose rows bring their own requests."""
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · paused · succeeded · failed · cancelled."""
    status_reason: Mapped[str | None] = mapped_column(Text)
    resumes_at: Mapped[Moment | None]
    """When a paused run goes on by itself; null where a client has to say so."""
    model: Mapped[str] = mapped_column(Text)
    parameters: Mapped[Json]
    repeats: Mapped[int] = mapped_column(Integer)
    layers: Mapped[list[int] | None] = mapped_column(JSONB)
    """Of a run that was extended: the repeats that it was made with, and those that were added each time."""
    total: Mapped[int] = mapped_column(BigInteger)
    """Stories of the whole run: cells × repeats, or the `limit` of the request if that is smaller."""
    pilot: Mapped[int | None] = mapped_column(Integer)
    """So many stories, spread over the grid, are written first; then the run pauses."""
    pilot_is_over: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    expanded: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Story rows inserted so far; positions 0 … expanded−1 exist."""
    running: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    succeeded: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    failed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    rejected: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    budget_usd: Mapped[Money | None]
    reserved_usd: Mapped[Money] = mapped_column(server_default=ZERO)
    """Worst case of the calls under way; with `spent_usd` never above the budget."""
    spent_usd: Mapped[Money] = mapped_column(server_default=ZERO)
    cost_known: Mapped[bool] = mapped_column(Boolean, server_default=sql("true"))
    """False once a call was made whose price nobody told us: `spent_usd` is then a lower bound."""
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_minute: Mapped[int | None] = mapped_column(Integer)
    limited_by: Mapped[str | None] = mapped_column(String(32))
    delivered_at: Mapped[Moment | None]
    """When a worker last held this run; the reaper enqueues a run that nobody holds."""
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class Story(Base):
    """One row per cell × repeat. A worker owns it by claim: lease and attempt."""

    __tablename__ = "story"
    __table_args__ = (
        Index("uq_story_generation_id_position", "generation_id", "position", unique=True),
        Index("ix_story_queued", "generation_id", "position", postgresql_where=sql("status = 'queued'")),
        Index("ix_story_running_lease", "lease_until", postgresql_where=sql("status = 'running'")),
        Index("ix_story_project_id_id", "project_id", "id"),
    )

    id: Mapped[IdKey]
    generation_id: Mapped[Id] = mapped_column(ForeignKey("generation.id"))
    project_id: Mapped[Id]
    position: Mapped[int] = mapped_column(BigInteger)
    """Place in the run's order: cell index × repeats + repeat; repeats that were added to the run stand behind all
    others. Exports follow it."""
    repeat: Mapped[int] = mapped_column(Integer)
    row_key: Mapped[str] = mapped_column(String(64))
    """Hash of recipe version, cell, repeat, model and parameters."""
    attributes: Mapped[Json]
    status: Mapped[str] = mapped_column(String(16))
    """queued · running · succeeded · failed · rejected · cancelled."""
    attempt: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    worker_id: Mapped[Id | None]
    lease_until: Mapped[Moment | None]
    not_before: Mapped[Moment | None]
    """A row handed back after a retryable failure waits until then."""
    retried_at: Mapped[Moment | None]
    """When a client last had the failed row queued again: earlier failures count no more."""
    text: Mapped[str | None] = mapped_column(Text)
    original_text: Mapped[str | None] = mapped_column(Text)
    """What the model wrote, kept when a reviewer edits `text`."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    model: Mapped[str | None] = mapped_column(Text)
    """The model that the provider says it used."""
    prompt_tokens: Mapped[int | None] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    cost_usd: Mapped[Money | None]
    failure_class: Mapped[str | None] = mapped_column(String(32))
    failure_message: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Of a batch's line: what its answer holds beside the columns (the provider's id, tool calls, the error)."""
    review: Mapped[str | None] = mapped_column(String(16))
    """accepted · rejected, or nothing yet."""
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]


class DistinctText(Base):
    """A text of a run whose recipe takes none twice, and the story that has it: the first that was settled with it."""

    __tablename__ = "distinct_text"

    generation_id: Mapped[Id] = mapped_column(ForeignKey("generation.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    story_id: Mapped[Id]


class NearText(Base):
    """A text of a run whose recipe takes none that is nearly another, as it is compared: its MinHash signature, and the
    buckets that it lies in, whose numbers the run is a part of."""

    __tablename__ = "near_text"
    __table_args__ = (
        Index("ix_near_text_keys", "keys", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
    )

    generation_id: Mapped[Id] = mapped_column(ForeignKey("generation.id"), primary_key=True)
    story_id: Mapped[Id] = mapped_column(primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    keys: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class Attempt(Base):
    """One upstream call, committed before the request leaves. Without an outcome it stays charged as unknown."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("uq_attempt_subject_id_number", "subject_id", "number", unique=True),
        Index("ix_attempt_open", "started_at", postgresql_where=sql("outcome = 'sent'")),
        Index("ix_attempt_generation_id", "generation_id"),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id]
    subject_id: Mapped[Id]
    """The story, completion, fine-tuning job, evaluation or comparison that the call was made for."""
    kind: Mapped[str] = mapped_column(String(16), server_default=sql("'inference'"))
    """inference · training. A training attempt is settled by its job alone."""
    generation_id: Mapped[Id | None]
    number: Mapped[int] = mapped_column(Integer)
    """The claim (`story.attempt`) that made the call."""
    worker_id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(Text)
    reserved_usd: Mapped[Money | None]
    spent_usd: Mapped[Money | None]
    outcome: Mapped[str] = mapped_column(String(16))
    """sent · succeeded · failed · superseded · unknown."""
    failure_class: Mapped[str | None] = mapped_column(String(32))
    rejected_text: Mapped[str | None] = mapped_column(Text)
    """What came and was not taken; `rejected_because` names the rule that it breaks."""
    rejected_because: Mapped[str | None] = mapped_column(Text)
    upstream_request_id: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    started_at: Mapped[Created]
    finished_at: Mapped[Moment | None]


class LedgerEntry(Base):
    """What an attempt cost, at the price of that day. Never re-priced; `cost_usd` is null when no price is known."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index("ix_ledger_entry_project_id_created_at", "project_id", "created_at"),
        Index(
            "ix_ledger_entry_fine_tuning_job_id",
            "fine_tuning_job_id",
            postgresql_where=sql("fine_tuning_job_id is not null"),
        ),
    )

    id: Mapped[IdKey]
    project_id: Mapped[Id]
    api_key_id: Mapped[Id]
    attempt_id: Mapped[Id] = mapped_column(unique=True)
    generation_id: Mapped[Id | None]
    kind: Mapped[str] = mapped_column(String(16), server_default=sql("'inference'"))
    """inference · training; tokens of a training entry are `prompt_tokens`."""
    fine_tuning_job_id: Mapped[Id | None]
    provider: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int | None] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    cost_usd: Mapped[Money | None]
    price_note: Mapped[str | None] = mapped_column(Text)
    """Where the price came from, or why there is none."""
    created_at: Mapped[Created]
