"""Webhooks and trackers: what the outside is told."""

from shared.contracts.queue.messages import DeliverOutbox, TellTracker
from shared.stores.db.repositories import webhook_endpoints
from shared.stores.db.repositories.outbox import add_webhook_events
from tests.support.faults.case import Fault, assert_count, send
from tests.support.faults.mill import FaultMill
from tests.support.tracked_job import TrackedJob

STEPS = 5
SECRET = "whsec_" + "A" * 32
EVENT = "fine_tuning.job.succeeded"


class Webhook:
    name = "webhook"
    is_patient = False

    async def submit(self, mill: FaultMill) -> None:
        owner = mill.interactive.project_id
        async with mill.database.transaction() as session:
            await webhook_endpoints.add_endpoint(
                session, project_id=owner, name="n", url=mill.receiver.url, event_types=[EVENT], secret=SECRET
            )
            event_id = await add_webhook_events(session, owner, EVENT, {"id": "ftjob-told"})
        assert event_id is not None
        mill.ids[self.name] = event_id
        await send(mill, DeliverOutbox())

    def count(self, mill: FaultMill) -> int:
        """Return how often the event came."""
        return sum(received.id == mill.ids[self.name] for received in mill.receiver.received)

    async def is_held(self, mill: FaultMill) -> bool:
        statement = "select tries = 1 and next_at > now() from outbox where event_id = :id"
        return self.count(mill) == 1 and bool(await mill.read(statement, id=mill.ids[self.name]))

    async def is_over(self, mill: FaultMill) -> bool:
        return bool(
            await mill.read("select status from outbox where event_id = :id", id=mill.ids[self.name]) == "delivered"
        )

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        assert await mill.read("select tries from outbox where event_id = :id", id=mill.ids[self.name]) == (
            2 if fault.repeats else 1
        )
        assert_count(self.count(mill), 1, fault, in_flight=1)


class Tracker:
    name = "tracker"
    is_patient = True
    sink = "tensorboard"

    async def submit(self, mill: FaultMill) -> None:
        job = await TrackedJob.add(mill.database, {"type": self.sink, self.sink: {}})
        # Nobody carries this job out: it is only told of.
        await mill.read("update fine_tuning_job set step = 'done' where id = :id returning 1", id=job.id)
        await job.measure(1, STEPS)
        mill.ids[self.name] = job.id
        await send(mill, TellTracker(job.id, self.sink))

    async def is_held(self, mill: FaultMill) -> bool:
        statement = "select lease_until > now() and run_ref is not null from tracker_run where job_id = :id"
        return bool(await mill.read(statement, id=mill.ids[self.name]))

    async def is_over(self, mill: FaultMill) -> bool:
        """The job that is told of ends once the fault has struck."""
        if mill.gate.is_set() and "tracker_ended" not in mill.ids:
            job = TrackedJob(mill.database, mill.ids[self.name])
            await job.measure(STEPS + 1, 2 * STEPS)
            await job.end()
            mill.ids["tracker_ended"] = job.id
        return (
            await mill.read("select status from tracker_run where job_id = :id", id=mill.ids[self.name]) == "complete"
        )

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        run = await TrackedJob(mill.database, mill.ids[self.name]).run(self.sink)
        assert run.told_step == 2 * STEPS
        assert len(list((mill.folder / "trackers" / self.sink).iterdir())) == 1, "one run there, whoever told it"
