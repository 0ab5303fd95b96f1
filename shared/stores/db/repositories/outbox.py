"""Webhooks that are owed: written in the transaction of what they tell. Who sends them: `delivery_claims`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import any_, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import unix_seconds, utc_now
from shared.contracts.statuses import WEBHOOK_DELIVERY
from shared.stores.db.models import Outbox, WebhookEndpoint
from shared.stores.db.repositories.pages import Page, fetch_page

(DUE,) = WEBHOOK_DELIVERY.workable
DELIVERED, GIVEN_UP = WEBHOOK_DELIVERY.final


async def add_webhook_events(
    session: AsyncSession, project_id: str, event_type: str, data: Mapping[str, Any]
) -> str | None:
    """Owe an event to every endpoint of the project that asked for its type; return the event's id, None when nobody
    did. Call it in the transaction that makes the event true, and send `DeliverOutbox` after the commit."""
    query = select(WebhookEndpoint.id).where(
        WebhookEndpoint.project_id == project_id,
        WebhookEndpoint.deleted_at.is_(None),
        literal(event_type) == any_(WebhookEndpoint.event_types),
    )
    endpoints = (await session.scalars(query)).all()
    if not endpoints:
        return None
    event_id = ids.new_id(ids.WEBHOOK_EVENT)
    payload = build_event(event_id, event_type, data)
    rows = [
        {
            "id": ids.new_id(ids.OUTBOX),
            "project_id": project_id,
            "endpoint_id": endpoint_id,
            "event_id": event_id,
            "event_type": event_type,
            "payload": payload,
            "status": DUE,
        }
        for endpoint_id in endpoints
    ]
    await session.execute(insert(Outbox), rows)
    return event_id


async def add_mill_event(session: AsyncSession, event_type: str, data: Mapping[str, Any]) -> None:
    """Owe an event that concerns the whole mill to every endpoint that asked for its type, whatever its project."""
    query = select(WebhookEndpoint.project_id).where(
        WebhookEndpoint.deleted_at.is_(None), literal(event_type) == any_(WebhookEndpoint.event_types)
    )
    for project_id in (await session.scalars(query.distinct())).all():
        await add_webhook_events(session, project_id, event_type, data)


def build_event(event_id: str, event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a webhook, as OpenAI's clients unwrap it."""
    return {
        "id": event_id,
        "object": "event",
        "created_at": unix_seconds(utc_now()),
        "type": event_type,
        "data": dict(data),
    }


async def is_any_due(session: AsyncSession) -> bool:
    """Say whether webhooks should be on their way now."""
    query = (
        select(Outbox.id)
        .join(WebhookEndpoint, WebhookEndpoint.id == Outbox.endpoint_id)
        .where(Outbox.status == DUE, Outbox.next_at <= func.now(), WebhookEndpoint.deleted_at.is_(None))
        .limit(1)
    )
    return await session.scalar(query) is not None


async def has_delivery(session: AsyncSession, endpoint_id: str, delivery_id: str) -> bool:
    """Say whether this was, or is to be, sent to an endpoint."""
    query = select(Outbox.id).where(Outbox.endpoint_id == endpoint_id, Outbox.id == delivery_id)
    return (await session.scalar(query)) is not None


async def list_deliveries(session: AsyncSession, endpoint_id: str, page: Page) -> tuple[Sequence[Outbox], bool]:
    """Return a page of what was owed to an endpoint and whether there is more."""
    return await fetch_page(session, select(Outbox).where(Outbox.endpoint_id == endpoint_id), Outbox.id, page)
