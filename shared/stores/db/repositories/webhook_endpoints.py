"""Where projects want to hear of their jobs. A deleted endpoint keeps its row, which deliveries refer to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import Outbox, WebhookEndpoint
from shared.stores.db.repositories.outbox import DUE, GIVEN_UP
from shared.stores.db.repositories.pages import Page, fetch_page

OLD_SECRET_HOURS: Final = 24


async def add_endpoint(
    session: AsyncSession, *, project_id: str, name: str, url: str, event_types: Sequence[str], secret: str
) -> WebhookEndpoint:
    """Insert an endpoint."""
    endpoint = WebhookEndpoint(
        id=ids.new_id(ids.WEBHOOK_ENDPOINT),
        project_id=project_id,
        name=name,
        url=url,
        event_types=list(event_types),
        signing_secret=secret,
    )
    session.add(endpoint)
    await session.flush()
    await session.refresh(endpoint)
    return endpoint


async def count_endpoints(session: AsyncSession, project_id: str) -> int:
    """Return how many endpoints a project has."""
    query = select(func.count()).where(WebhookEndpoint.project_id == project_id, WebhookEndpoint.deleted_at.is_(None))
    return await session.scalar(query) or 0


async def find_endpoint(session: AsyncSession, project_id: str, endpoint_id: str) -> WebhookEndpoint | None:
    """Return an endpoint of the project."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id,
        WebhookEndpoint.project_id == project_id,
        WebhookEndpoint.deleted_at.is_(None),
    )
    return (await session.scalars(query)).one_or_none()


async def list_endpoints(session: AsyncSession, project_id: str, page: Page) -> tuple[Sequence[WebhookEndpoint], bool]:
    """Return a page of a project's endpoints and whether there is more."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.project_id == project_id, WebhookEndpoint.deleted_at.is_(None)
    )
    return await fetch_page(session, query, WebhookEndpoint.id, page)


async def change_endpoint(session: AsyncSession, endpoint: WebhookEndpoint, changes: dict[str, Any]) -> None:
    """Write what differs; without a difference nothing changes, the time of the last change neither."""
    different = {name: value for name, value in changes.items() if getattr(endpoint, name) != value}
    for name, value in different.items():
        setattr(endpoint, name, value)
    if different:
        endpoint.updated_at = utc_now()
        await session.flush()


async def rotate_secret(session: AsyncSession, endpoint: WebhookEndpoint, secret: str, *, keep_old: bool) -> None:
    """Sign with `secret` from now on; with the old one too for a day if that is wanted."""
    endpoint.previous_secret = endpoint.signing_secret if keep_old else None
    endpoint.previous_secret_until = utc_now() + timedelta(hours=OLD_SECRET_HOURS) if keep_old else None
    endpoint.signing_secret = secret
    endpoint.updated_at = utc_now()
    await session.flush()


async def delete_endpoint(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint and owe it nothing more. Its secrets are forgotten."""
    endpoint.deleted_at = utc_now()
    endpoint.signing_secret = ""
    endpoint.previous_secret = endpoint.previous_secret_until = None
    await session.execute(
        update(Outbox)
        .where(Outbox.endpoint_id == endpoint.id, Outbox.status == DUE)
        .values(status=GIVEN_UP, last_error="The endpoint was deleted.")
    )
