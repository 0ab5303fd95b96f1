"""The verdicts on providers: written by the workers that come to them, read by the gateway."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import ProviderState


@dataclass(frozen=True, slots=True)
class ToldState:
    """How a provider stands with a key, and why."""

    provider: str
    key_fingerprint: str
    verdict: str
    since: datetime
    until: datetime | None
    message: str | None
    failure_class: str | None
    upstream_status: int | None
    seen_at: datetime


# Two workers may tell at once, in either order: the newer verdict stays.
TELL: Final = text("""
    insert into provider_state (provider, key_fingerprint, verdict, since, until, message, failure_class,
                                upstream_status, seen_at)
    values (:provider, :key_fingerprint, :verdict, :since, :until, :message, :failure_class, :upstream_status, :seen_at)
    on conflict (provider, key_fingerprint) do update
    set verdict = excluded.verdict,
        since = case when provider_state.verdict = excluded.verdict then provider_state.since else excluded.since end,
        until = excluded.until, seen_at = excluded.seen_at,
        message = coalesce(excluded.message, provider_state.message),
        failure_class = coalesce(excluded.failure_class, provider_state.failure_class),
        upstream_status = coalesce(excluded.upstream_status, provider_state.upstream_status)
    where provider_state.seen_at <= excluded.seen_at
""")
"""A provider that is well again keeps its last error: that is what people ask for."""


async def tell_state(session: AsyncSession, state: ToldState) -> None:
    """Write a verdict."""
    await session.execute(TELL, asdict(state))


async def list_states(session: AsyncSession) -> Sequence[ProviderState]:
    """Return the verdicts, the newest of a provider first."""
    query = select(ProviderState).order_by(ProviderState.provider, ProviderState.seen_at.desc())
    return (await session.scalars(query)).all()
