"""Postgres shows the verdicts on providers: written when one changes, by the process that came to it."""

from datetime import UTC, datetime

from services.workers.providers.health import ProviderHealth
from services.workers.providers.verdict import Standing
from shared.contracts.queue.messages import DeliverOutbox
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.provider_states import ToldState, tell_state
from shared.stores.db.session import Database
from shared.stores.queue.sender import TaskSender

log = get_logger(__name__)


async def tell_verdict(database: Database, sender: TaskSender, health: ProviderHealth) -> None:
    """Write the newest verdict; while Postgres is away it stays to be written."""
    standing = health.untold
    if standing is None:
        return
    try:
        async with database.transaction() as session:
            is_news = await tell_state(session, describe_state(health, standing))
    except STORE_AWAY as error:
        log.warning("verdict_not_told", provider=health.provider.name, error=str(error))
        return
    if health.untold is standing:
        health.untold = None
    if is_news:
        await sender.send(DeliverOutbox(untried_only=True))


def describe_state(health: ProviderHealth, standing: Standing) -> ToldState:
    """Return a standing as Postgres holds it."""
    return ToldState(
        health.provider.name,
        health.fingerprint,
        standing.verdict.value,
        datetime.fromtimestamp(standing.since, UTC),
        datetime.fromtimestamp(standing.until, UTC) if standing.until is not None else None,
        standing.message,
        standing.failure_class,
        standing.upstream_status,
        datetime.fromtimestamp(standing.changed_at, UTC),
    )
