"""Who sends a webhook: claimed by raising `tries` and putting off when it is due, which is the lease. Who dies between
sending and marking leaves it to be sent again, with the same event id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.recordset import HELD
from shared.stores.db.repositories.outbox import DELIVERED, DUE, GIVEN_UP


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A webhook to be sent now, by us."""

    id: str
    endpoint_id: str
    event_id: str
    payload: dict[str, Any]
    tries: int
    """Before this one."""
    age_seconds: float
    url: str
    secrets: list[str]
    """The present one first."""


CLAIM: Final = text("""
    with waiting as (
        select distinct endpoint_id from outbox join webhook_endpoint endpoint on endpoint.id = endpoint_id
        where status = 'due' and next_at <= now() and endpoint.deleted_at is null
          and not endpoint_id = any(cast(:busy as text[]))),
    taken as (
        select due.id from waiting cross join lateral (
            select id from outbox
            where endpoint_id = waiting.endpoint_id and status = 'due' and next_at <= now()
                and (tries = 0 or not cast(:untried_only as boolean))
            order by next_at, id limit :endpoint_limit for update skip locked) due
        limit :row_limit)
    update outbox
    set tries = outbox.tries + 1, next_at = now() + make_interval(secs => :lease_seconds)
    from taken, webhook_endpoint endpoint
    where outbox.id = taken.id and endpoint.id = outbox.endpoint_id
    returning outbox.id, outbox.endpoint_id, outbox.event_id, outbox.payload, outbox.tries - 1,
        extract(epoch from now() - outbox.created_at)::float8, endpoint.url,
        array_remove(array[endpoint.signing_secret,
            case when endpoint.previous_secret_until > now() then endpoint.previous_secret end], null)
""")


MARK: Final = text("""
    update outbox
    set status = cast(:status as text), last_error = cast(:error as text),
        delivered_at = case when cast(:status as text) = 'delivered' then now() end,
        next_at = now() + make_interval(secs => :wait_seconds)
    where id = :id and tries = :tries and status = 'due'
""")


PUT_OFF: Final = text(f"""
    update outbox set next_at = now() + make_interval(secs => :seconds) from {HELD}
    where outbox.id = held.id and outbox.tries = held.attempt and outbox.status = 'due'
    returning outbox.id, outbox.tries
""")  # noqa: S608  the only thing put in is a constant of ours


async def claim_deliveries(
    session: AsyncSession,
    *,
    row_limit: int,
    endpoint_limit: int,
    busy: Sequence[str],
    lease_seconds: float,
    untried_only: bool = False,
) -> list[DueDelivery]:
    """Take webhooks that are due, at most `endpoint_limit` of each endpoint and none of those in `busy`, so that one
    that is slow holds up no other; of those that were tried before none where only untried ones are wanted. They are
    ours for `lease_seconds`."""
    values = {
        "untried_only": untried_only,
        "row_limit": row_limit,
        "endpoint_limit": endpoint_limit,
        "busy": list(busy),
        "lease_seconds": lease_seconds,
    }
    rows = (await session.execute(CLAIM, values)).all()
    return [DueDelivery(*row) for row in rows]


async def renew_deliveries(
    session: AsyncSession, held: Sequence[DueDelivery], lease_seconds: float
) -> set[tuple[str, int]]:
    """Keep others from sending what we have under way; return id and tries (as ours count) of what is still ours."""
    found = await session.execute(PUT_OFF, {**list_tries(held), "seconds": lease_seconds})
    return {(row.id, row.tries - 1) for row in found}


async def hand_back_deliveries(session: AsyncSession, held: Sequence[DueDelivery]) -> None:
    """Make what we had under way due again, for others."""
    await session.execute(PUT_OFF, {**list_tries(held), "seconds": 0})


def list_tries(held: Sequence[DueDelivery]) -> dict[str, list[str] | list[int]]:
    """Return the parameters of HELD: the number of a try stands for the attempt."""
    return {"ids": [row.id for row in held], "attempts": [row.tries + 1 for row in held]}


async def mark_delivered(session: AsyncSession, delivery: DueDelivery) -> None:
    """It has arrived."""
    await mark(session, delivery, status=DELIVERED, error=None)


async def mark_failed(session: AsyncSession, delivery: DueDelivery, error: str, *, wait_seconds: float | None) -> None:
    """It has not arrived: try again after `wait_seconds`, or never when that is None."""
    status = GIVEN_UP if wait_seconds is None else DUE
    await mark(session, delivery, status=status, error=error, wait_seconds=wait_seconds or 0)


async def mark(
    session: AsyncSession, delivery: DueDelivery, *, status: str, error: str | None, wait_seconds: float = 0
) -> None:
    """Write an outcome, unless somebody else has taken the row since."""
    key = {"id": delivery.id, "tries": delivery.tries + 1}
    await session.execute(MARK, {**key, "status": status, "error": error, "wait_seconds": wait_seconds})
