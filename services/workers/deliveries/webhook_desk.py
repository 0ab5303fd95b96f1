"""The webhooks that this process has under way: claimed a few of each endpoint at a time, so that targets that are
slow or gone hold up no others. One per process; woken by messages, asleep between them."""

import asyncio
from collections import Counter
from functools import partial
from typing import Final, Self

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.deliveries.lease import WEBHOOK_ROWS
from services.workers.deliveries.webhook_retries import GONE, is_delivered, plan_retry
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import WEBHOOKS_SENT
from services.workers.process.store_patience import write_patiently
from shared.errors import StorymillError
from shared.observability.logs import get_logger
from shared.outside.retry_after import read_retry_after
from shared.outside.webhooks.sending import WebhookSender
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.delivery_claims import DueDelivery, claim_deliveries, mark_delivered, mark_failed

MOST_UNDER_WAY: Final = 256
MOST_OF_ENDPOINT: Final = 4

log = get_logger(__name__)


class WebhookDesk:
    """Sends what is due until nothing is, then waits to be woken."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        settings = context.settings
        self._sender = WebhookSender.open(
            allow_private=settings.webhook_allow_private, proxy_guards=settings.webhook_proxy_guards
        )
        self._wanted = asyncio.Event()
        self._takes_tried = False
        """Until nothing is due: then it is again for the reaper to say that what was tried is nobody's."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._of_endpoint: Counter[str] = Counter()
        self._loop: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, waiting."""
        desk = cls(context)
        desk._loop = asyncio.create_task(desk._run())
        return desk

    def wake(self, *, untried_only: bool = False) -> None:
        """Have it look for due webhooks now. After an outage the lease of one that is under way elsewhere is over, and
        its holder about to renew it: only who has seen that nobody does so wakes the desk for those tried before."""
        self._takes_tried |= not untried_only
        self._wanted.set()

    async def stop(self) -> None:
        """Stop sending. What was under way is sent again, under the same id, by another worker."""
        tasks = [task for task in (self._loop, *self._under_way) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.close()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._claim()
            except STORE_AWAY as error:
                log.warning("webhooks_left_to_the_reaper", error=str(error))
            except Exception:  # a defect of ours must not end the desk
                log.exception("webhooks_not_claimed")

    async def _claim(self) -> None:
        room = MOST_UNDER_WAY - len(self._under_way)
        if room <= 0 or self._context.stopping.is_set():
            return
        busy = list(self._of_endpoint)
        lease = begin_lease(self._context)
        async with self._context.database.transaction() as session:
            due = await claim_deliveries(
                session,
                row_limit=room,
                endpoint_limit=MOST_OF_ENDPOINT,
                busy=busy,
                lease_seconds=lease.seconds,
                untried_only=not self._takes_tried,
            )
        for delivery in due:
            self._of_endpoint[delivery.endpoint_id] += 1
            task = asyncio.create_task(self._deliver(delivery, lease))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if due:
            self._wanted.set()  # another endpoint may be waiting for room in the claim
        else:
            self._takes_tried = bool(busy) and self._takes_tried

    async def _deliver(self, delivery: DueDelivery, lease: Lease) -> None:
        try:
            work = partial(deliver, self._context, self._sender, delivery)
            await work_while_held(self._context, WEBHOOK_ROWS, delivery, lease, work)
        except STORE_AWAY as error:
            log.warning("webhook_not_marked", webhook=delivery.event_id, error=str(error))  # its lease lapses
        except Exception:  # a defect of ours: it is sent again when the lease is over
            log.exception("webhook_failed", webhook=delivery.event_id)
        finally:
            self._of_endpoint[delivery.endpoint_id] -= 1
            if not self._of_endpoint[delivery.endpoint_id]:
                del self._of_endpoint[delivery.endpoint_id]
                self._wanted.set()  # this endpoint may have more


async def deliver(context: WorkerContext, sender: WebhookSender, delivery: DueDelivery, hold: Hold) -> None:
    """Send one webhook and write what became of it. Raises: LostRowError when the row is lost before the call."""
    await hold.confirm()
    error, wait = await try_send(context, sender, delivery)

    async def write(session: AsyncSession) -> None:
        if error is None:
            await mark_delivered(session, delivery)
        else:
            await mark_failed(session, delivery, error, wait_seconds=wait)

    await write_patiently(context.database, write, what="mark a webhook")
    outcome = "delivered" if error is None else "given_up" if wait is None else "failed"
    WEBHOOKS_SENT.labels(outcome).inc()
    log.info("webhook_sent", endpoint=delivery.endpoint_id, webhook=delivery.event_id, outcome=outcome, error=error)


async def try_send(
    context: WorkerContext, sender: WebhookSender, delivery: DueDelivery
) -> tuple[str | None, float | None]:
    """Send one webhook; return what went wrong, if anything, and how long to wait before it is sent again."""
    tries = delivery.tries + 1
    try:
        secrets = [context.seal.unseal(secret) for secret in delivery.secrets]
        status, retry_after = await sender.send(delivery.url, delivery.event_id, delivery.payload, secrets)
    except StorymillError as failure:
        return failure.message, plan_retry(tries, delivery.age_seconds)
    if is_delivered(status):
        return None, None
    error = f"The target answered {status}."
    if status == GONE:
        return error, None
    return error, plan_retry(tries, delivery.age_seconds, read_retry_after(retry_after))
