"""Open interactive texts: check the model, write the rows, send the messages; find them again, cancel them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.http.idempotency import KeyClaim
from services.gateway.models.naming import NamedModel, model_headers, name_model
from services.gateway.models.naming import model_not_found as model_not_found
from services.gateway.wiring import Gateway
from shared import ids
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.clock import utc_now
from shared.contracts.queue.messages import RunCompletion
from shared.errors import InvalidRequestError, RateLimitedError
from shared.observability.logs import get_logger
from shared.outside.providers.border.answers import Kind, ResultKind
from shared.outside.providers.template_contract import Kept, keep_contract
from shared.stores.away import STORE_AWAY
from shared.stores.db.models import Completion
from shared.stores.db.repositories import completions
from shared.stores.db.repositories.completions import NewCompletion
from shared.streams.control import publish_cancel

OVERLOAD_RETRY_SECONDS = 2.0
STREAM_ID_HEADER = "x-storymill-stream-id"

RecordBeside = Callable[[AsyncSession, Sequence[NewCompletion]], Awaitable[None]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenTexts:
    """The texts of one request: one stream each, in the order of the answer's choices."""

    request_id: str
    kind: Kind | ResultKind
    model: str
    created_at: datetime
    stream_ids: tuple[str, ...]
    served_model: str
    """The provider's name of the model."""
    warning: str | None = field(default=None)
    """What had to be changed in a prompt to keep the model's template contract."""

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside its body."""
        return {STREAM_ID_HEADER: self.stream_ids[0], **model_headers(self.served_model, self.warning)}

    @property
    def unique_part(self) -> str:
        """What the ids of OpenAI's objects are made of."""
        return self.request_id.removeprefix(ids.REQUEST)


async def open_texts(
    gateway: Gateway,
    principal: Principal,
    claim: KeyClaim,
    kind: Kind | ResultKind,
    model: str | None,
    bodies: Sequence[dict[str, Any]],
    *,
    also: RecordBeside | None = None,
) -> OpenTexts:
    """Record one text per body and send them to the workers; a retry under the same Idempotency-Key gets the texts
    that its first try opened. `also` records what else the request makes, in the same transaction.

    Raises: InvalidRequestError without a model, or for more texts than one request may ask for; NotFoundError for the
    model; RateLimitedError when too many texts are open.
    """
    if claim.subject_id is not None:
        return await find_texts(gateway, claim.subject_id)
    named = await name_model(gateway, principal, model)
    bounds = gateway.bounds.now
    check_choices(len(bodies), bounds.max_choices)
    request_id = ids.new_id(ids.REQUEST)
    kept = [keep_contract(named.contract, kind, body) for body in bodies]
    rows = list_rows(principal, request_id, kind, named, kept)
    async with gateway.opening.of(principal.project_id), gateway.database.transaction() as session:
        await add_rows(session, rows, principal.project_id, bounds.max_open_completions)
        if also is not None:
            await also(session, rows)
        await claim.bind(session, request_id)
    await asyncio.gather(*(gateway.sender.send(RunCompletion(row.id, principal.project_id)) for row in rows))
    warning = next((text.warning for text in kept if text.warning), None)
    return OpenTexts(request_id, kind, named.asked, utc_now(), tuple(row.id for row in rows), named.name, warning)


def list_rows(
    principal: Principal, request_id: str, kind: Kind | ResultKind, named: NamedModel, kept: Sequence[Kept]
) -> list[NewCompletion]:
    """Return the rows of a request's texts."""
    return [
        NewCompletion(
            ids.new_id(ids.STREAM),
            principal.project_id,
            principal.api_key_id,
            request_id,
            index,
            kind,
            named.asked,
            {**text.body, "model": named.name},
        )
        for index, text in enumerate(kept)
    ]


async def add_rows(session: AsyncSession, rows: Sequence[NewCompletion], project_id: str, most_open: int) -> None:
    """Record texts. Raises: RateLimitedError when the project has as many open as it may have."""
    has_room = await completions.take_turn_to_add(session, project_id, len(rows), most_open)
    if not (has_room and await completions.add_completions(session, rows, most_open=most_open)):
        raise RateLimitedError(
            f"This project has {most_open} texts under way, the most allowed ({setting_of('max_open_completions')}). "
            "Come back when some are done.",
            retry_after_seconds=OVERLOAD_RETRY_SECONDS,
        )


def check_choices(count: int, most: int) -> None:
    """Pass for as many texts as a request may ask for. Raises: InvalidRequestError for more."""
    if count > most:
        message = f"The request asks for {count} texts (prompts × n); the most is {most} ({setting_of('max_choices')})."
        raise InvalidRequestError(message, param="n")


async def find_texts(gateway: Gateway, request_id: str) -> OpenTexts:
    """Return the texts that a request opened earlier."""
    rows = await read_rows(gateway, request_id)
    first = rows[0]
    kind = cast(Kind | ResultKind, first.kind)
    served = first.request.get("model") or first.model
    return OpenTexts(request_id, kind, first.model, first.created_at, tuple(row.id for row in rows), served)


async def read_rows(gateway: Gateway, request_id: str) -> Sequence[Completion]:
    """Return the rows of a request in the order of its choices."""
    async with gateway.database.transaction() as session:
        return await completions.list_completions(session, request_id)


async def cancel_texts(gateway: Gateway, project_id: str, stream_ids: Sequence[str]) -> None:
    """Record that texts shall end, and tell the workers. Texts that are over stay as they are."""
    async with gateway.database.transaction() as session:
        still_open = await completions.request_cancel(session, project_id, stream_ids)
    try:
        for stream_id in still_open:
            await publish_cancel(gateway.redis, stream_id)
    except STORE_AWAY as error:
        log.warning("cancel_not_published", error=str(error))  # workers find it on the row
