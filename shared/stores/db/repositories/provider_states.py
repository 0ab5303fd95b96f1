"""The verdicts on providers: written by the workers that come to them, read by the gateway."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import unix_seconds
from shared.stores.db.models import ProviderState
from shared.stores.db.repositories.outbox import add_mill_event


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


# Whoever tells waits for whoever tells of the same provider just now: one of them sees what has changed.
LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended(:name, 4))")
NEWS: Final = {"down": "provider.down", "no_credit": "provider.out_of_credit"}
"""What a verdict is told as; another after one of these is `provider.recovered`."""


async def tell_state(session: AsyncSession, state: ToldState) -> bool:
    """Write a verdict. A change that others want to hear of is owed to their webhooks in the same transaction: once,
    however many workers tell it, and also when the one who came to it is dead. Return whether there is such news."""
    await session.execute(LOCK, {"name": f"provider {state.provider} {state.key_fingerprint}"})
    found = await session.get(ProviderState, (state.provider, state.key_fingerprint))
    before = found.verdict if found else "well"
    if found is not None and found.seen_at > state.seen_at:
        return False
    await session.execute(TELL, asdict(state))
    event_type = find_event(before, state.verdict)
    if event_type is None:
        return False
    data = {"id": state.provider, "verdict": state.verdict, "since": unix_seconds(state.since)}
    await add_mill_event(session, event_type, data)
    return True


def find_event(before: str, now: str) -> str | None:
    """Return the event that a change of verdicts is, if it is one."""
    if before == now:
        return None
    return NEWS.get(now) or ("provider.recovered" if before in NEWS else None)


async def list_states(session: AsyncSession) -> Sequence[ProviderState]:
    """Return the verdicts, the newest of a provider first."""
    query = select(ProviderState).order_by(ProviderState.provider, ProviderState.seen_at.desc())
    return (await session.scalars(query)).all()
