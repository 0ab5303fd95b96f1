"""The body of `DeliverOutbox`: the process's desk sends what is due."""

from services.workers.deliveries.webhook_desk import WebhookDesk
from services.workers.process.context import WorkerContext


async def deliver_outbox(context: WorkerContext, *, untried_only: bool = False) -> None:
    """Wake the desk, and hold no thread while targets think."""
    desk = await context.part(WebhookDesk)
    desk.wake(untried_only=untried_only)
