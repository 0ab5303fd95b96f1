"""Webhooks from the outbox to a real receiver: signed, once if all goes well, again if not, and nobody waits for
another's target."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import select, update

from services.workers.deliveries.deliver_task import deliver_outbox
from services.workers.deliveries.lease import WEBHOOK_ROWS
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.clock import utc_now
from shared.contracts.queue.messages import DeliverOutbox, Message
from shared.outside.webhooks.signing import new_secret
from shared.settings import Settings
from shared.stores.db.models import Outbox, WebhookEndpoint
from shared.stores.db.repositories import webhook_endpoints
from shared.stores.db.repositories.delivery_claims import claim_deliveries
from shared.stores.db.repositories.outbox import add_webhook_events
from shared.stores.db.repositories.projects import ensure_project
from tests.support.interactive import eventually_async
from tests.support.webhook_receiver import WebhookReceiver

SUCCEEDED = "fine_tuning.job.succeeded"


@dataclass
class Webhooks:
    """Hands on the outbox."""

    context: WorkerContext
    project_id: str

    async def register(self, url: str, *types: str) -> WebhookEndpoint:
        """Add an endpoint."""
        async with self.context.database.transaction() as session:
            return await webhook_endpoints.add_endpoint(
                session,
                project_id=self.project_id,
                name="n",
                url=url,
                event_types=types or [SUCCEEDED],
                secret=new_secret(),
            )

    async def tell(self, event_type: str = SUCCEEDED, job_id: str = "ftjob-1") -> str | None:
        """Owe an event, as the end of a job does."""
        async with self.context.database.transaction() as session:
            return await add_webhook_events(session, self.project_id, event_type, {"id": job_id})

    async def rows(self) -> list[Outbox]:
        """Return the outbox."""
        async with self.context.database.transaction() as session:
            return list(await session.scalars(select(Outbox).order_by(Outbox.id)))

    async def find_owed(self) -> Sequence[Message]:
        """Return what the reaper would send."""
        async with self.context.database.transaction() as session:
            return await WEBHOOK_ROWS.requeue(session, 10)

    async def make_due(self) -> None:
        """Let time pass until everything is due."""
        async with self.context.database.transaction() as session:
            await session.execute(update(Outbox).where(Outbox.status == "due").values(next_at=utc_now()))

    async def deliver(self, *statuses: str) -> None:
        """Have it delivered, and wait until the rows have these statuses, each tried at least once."""
        await deliver_outbox(self.context)

        async def are_so() -> bool:
            rows = await self.rows()
            return [row.status for row in rows] == list(statuses) and all(
                row.tries and (row.status != "due" or row.last_error) for row in rows
            )

        await eventually_async(are_so, what=f"the webhooks to be {statuses}")


@pytest.fixture
async def webhooks(database_url: str, redis_url: str) -> AsyncIterator[Webhooks]:
    """A worker that may send to this machine."""
    values = {"database_url": database_url, "redis_url": redis_url, "webhook_allow_private": True}
    context = await open_context(Settings.model_validate(values), WorkerSettings())
    async with context.database.transaction() as session:
        project = await ensure_project(session, "default")
    yield Webhooks(context, project.id)
    await context.close()


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Somebody who listens."""
    async with WebhookReceiver() as opened:
        yield opened


async def test_the_official_client_unwraps_what_arrives(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = await webhooks.register(receiver.url)
    await webhooks.register(receiver.url, "fine_tuning.job.failed")
    event_id = await webhooks.tell()
    await webhooks.deliver("delivered")
    (received,) = receiver.received
    event = received.unwrap(endpoint.signing_secret)
    assert (event.id, event.type, event.data.id) == (event_id, SUCCEEDED, "ftjob-1")
    assert type(event).__name__ == "FineTuningJobSucceededWebhookEvent"
    assert received.id == event_id


async def test_after_a_rotation_both_secrets_are_good_for_a_while(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    endpoint = await webhooks.register(receiver.url)
    old = endpoint.signing_secret
    async with webhooks.context.database.transaction() as session:
        found = await webhook_endpoints.find_endpoint(session, webhooks.project_id, endpoint.id)
        assert found is not None
        await webhook_endpoints.rotate_secret(session, found, new_secret(), keep_old=True)
    await webhooks.tell()
    await webhooks.deliver("delivered")
    receiver.received[0].unwrap(old)
    receiver.received[0].unwrap(found.signing_secret)


async def test_a_failure_is_tried_again_under_the_same_id(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.statuses = [500, 302]
    receiver.headers = {"location": f"{receiver.url}/elsewhere"}
    endpoint = await webhooks.register(receiver.url)
    await webhooks.tell()
    await webhooks.deliver("due")
    (row,) = await webhooks.rows()
    assert row.last_error == "The target answered 500."
    assert row.next_at > utc_now()
    await webhooks.make_due()
    await deliver_outbox(webhooks.context)

    async def is_redirected() -> bool:
        return (await webhooks.rows())[0].last_error == "The target answered 302."

    await eventually_async(is_redirected, what="the redirect to be noted")
    await webhooks.make_due()
    await webhooks.deliver("delivered")
    assert [received.path for received in receiver.received] == ["/"] * 3
    assert len({received.id for received in receiver.received}) == 1
    receiver.received[2].unwrap(endpoint.signing_secret)


async def test_who_dies_between_sending_and_marking_sends_the_same_event_again(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    await webhooks.register(receiver.url)
    event_id = await webhooks.tell()
    async with webhooks.context.database.transaction() as session:
        (taken,) = await claim_deliveries(session, row_limit=10, endpoint_limit=4, busy=[], lease_seconds=10)
    assert taken.event_id == event_id
    assert await webhooks.find_owed() == []  # its lease holds
    await webhooks.make_due()
    assert await webhooks.find_owed() == [DeliverOutbox()]
    await webhooks.deliver("delivered")
    assert [received.id for received in receiver.received] == [event_id]
    assert (await webhooks.rows())[0].tries == 2


async def test_a_new_webhook_takes_no_other_from_a_worker_that_an_outage_kept_from_renewing(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    await webhooks.register(receiver.url)
    under_way = await webhooks.tell()
    async with webhooks.context.database.transaction() as session:
        await claim_deliveries(session, row_limit=10, endpoint_limit=4, busy=[], lease_seconds=10)
    await webhooks.make_due()
    new = await webhooks.tell()
    await deliver_outbox(webhooks.context, untried_only=True)

    async def is_told() -> bool:
        return [row.status for row in await webhooks.rows()] == ["due", "delivered"]

    await eventually_async(is_told, what="the new one to be delivered")
    assert [received.id for received in receiver.received] == [new]
    await webhooks.deliver("delivered", "delivered")  # once the reaper says so
    assert [received.id for received in receiver.received] == [new, under_way]


async def test_slow_and_dead_targets_hold_up_nobody(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    await webhooks.register(f"{receiver.url}/slow")
    for number in range(20):
        await webhooks.tell(job_id=f"ftjob-slow-{number}")
    await deliver_outbox(webhooks.context)

    async def is_busy() -> bool:
        return len(receiver.received) == 4

    await eventually_async(is_busy, what="the slow target to hold what it may")
    dead = await webhooks.register("http://127.0.0.1:9/")
    good = await webhooks.register(f"{receiver.url}/good")
    await webhooks.tell(job_id="ftjob-good")
    await deliver_outbox(webhooks.context)

    async def is_delivered() -> bool:
        rows = {row.endpoint_id: row for row in await webhooks.rows()}
        return rows[good.id].status == "delivered" and rows[dead.id].last_error is not None

    await eventually_async(is_delivered, timeout_seconds=5, what="the good target to have it while the slow one thinks")
    assert len([received for received in receiver.received if received.path == "/slow"]) == 4


async def test_a_target_that_is_gone_or_private_gets_nothing_more(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [410]
    await webhooks.register(receiver.url)
    await webhooks.tell()
    await webhooks.deliver("given_up")
    assert [row.last_error for row in await webhooks.rows()] == ["The target answered 410."]


async def test_a_private_address_is_refused_when_it_is_connected_to(
    webhooks: Webhooks, database_url: str, redis_url: str, receiver: WebhookReceiver
) -> None:
    await webhooks.register(receiver.url.replace("http://", "https://"))
    await webhooks.tell()
    values = {"database_url": database_url, "redis_url": redis_url}
    strict = await open_context(Settings.model_validate(values), WorkerSettings())
    await Webhooks(strict, webhooks.project_id).deliver("due")
    await strict.close()
    assert "private address 127.0.0.1" in ((await webhooks.rows())[0].last_error or "")
    assert receiver.received == []


async def test_an_endpoint_that_was_deleted_is_owed_nothing(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = await webhooks.register(receiver.url)
    await webhooks.tell()
    async with webhooks.context.database.transaction() as session:
        found = await webhook_endpoints.find_endpoint(session, webhooks.project_id, endpoint.id)
        assert found is not None
        await webhook_endpoints.delete_endpoint(session, found)
    assert await webhooks.tell() is None
    assert [(row.status, row.last_error) for row in await webhooks.rows()] == [
        ("given_up", "The endpoint was deleted.")
    ]
    assert await webhooks.find_owed() == []
