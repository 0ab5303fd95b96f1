"""Create, find, cancel and delete responses: each is one chat's completion row, and what is told of it again."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.follow import wait_for_ends
from services.gateway.interactive.texts import OpenTexts, cancel_texts, find_texts, open_texts
from services.gateway.responses.chat_body import build_chat_body
from services.gateway.responses.context import read_items, read_messages
from services.gateway.responses.input_items import keep_items
from services.gateway.responses.response_object import echo_request, unique_of
from services.gateway.responses.schemas import ResponseRequest
from services.gateway.responses.unsupported import refuse_unsupported
from services.gateway.wiring import Gateway
from shared import ids
from shared.auth.principal import Principal
from shared.contracts.text_orders import ask_whole
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Completion, StoredResponse
from shared.stores.db.repositories.completions import NewCompletion
from shared.stores.db.repositories.pages import Page
from shared.stores.db.repositories.responses import ResponseRow, add_response, delete_response, find_responses

CANCEL_SECONDS: Final = 2.0
"""So long a cancel waits for the worker to stop, in order to tell the response as it then is."""


async def open_response(gateway: Gateway, caller: Principal, claim: KeyClaim, body: ResponseRequest) -> OpenTexts:
    """Open the text of a response, and store the response unless the client forbids it. Raises: InvalidRequestError,
    NotFoundError, and what opening a text raises."""
    if claim.subject_id is not None:
        return await find_texts(gateway, claim.subject_id)
    refuse_unsupported(body)
    items = await read_items(gateway, caller, body)
    chat = build_chat_body(body, await read_messages(gateway, caller, body, items))
    is_watched = body.stream or body.background  # in the background: perhaps later

    async def store(session: AsyncSession, rows: Sequence[NewCompletion]) -> None:
        add_response(session, build_stored(body, items, rows[0]))

    return await open_texts(
        gateway,
        caller,
        claim,
        "chat",
        body.model,
        [chat] if is_watched else ask_whole([chat]),
        also=None if body.store is False else store,
    )


def build_stored(body: ResponseRequest, items: Sequence[Json], row: NewCompletion) -> StoredResponse:
    """Return what is stored beside the text."""
    unique = unique_of(row.request_id)
    return StoredResponse(
        id=ids.RESPONSE + unique,
        project_id=row.project_id,
        completion_id=row.id,
        background=bool(body.background),
        request=echo_request(body),
        input=keep_items(items, unique),
    )


async def get_response(gateway: Gateway, caller: Principal, response_id: str) -> ResponseRow:
    """Return a stored response. Raises: NotFoundError, also for another project's and a deleted one."""
    async with gateway.database.transaction() as session:
        found = await find_responses(session, caller.project_id, [response_id])
    if not found:
        raise NotFoundError(f"Response with id '{response_id}' not found.", param="response_id")
    return found[0]


async def cancel_response(gateway: Gateway, caller: Principal, response_id: str) -> ResponseRow:
    """Ask for the end of a background response, and wait for it a moment; one that is over stays as it is. Raises:
    NotFoundError for one that the project has not; InvalidRequestError for one that a client waits on: it is cancelled
    by hanging up."""
    response, completion = await get_response(gateway, caller, response_id)
    if not response.background:
        raise InvalidRequestError(
            "Only a background response can be cancelled. Close the connection of another one.", param="response_id"
        )
    await end_text(gateway, caller, completion)
    return await get_response(gateway, caller, response_id)


async def forget_response(gateway: Gateway, caller: Principal, response_id: str) -> None:
    """Delete a response; one that is being written is cancelled. Raises: NotFoundError for one that the
    project has not."""
    _, completion = await get_response(gateway, caller, response_id)
    await end_text(gateway, caller, completion)
    async with gateway.database.transaction() as session:
        await delete_response(session, response_id)


async def end_text(gateway: Gateway, caller: Principal, completion: Completion) -> None:
    """Cancel a text that is not over, and give its worker a moment to stop."""
    if completion.finished_at is not None:
        return
    await cancel_texts(gateway, caller.project_id, [completion.id])
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await wait_for_ends(gateway.hub, [completion.id])


async def list_input(gateway: Gateway, caller: Principal, response_id: str, page: Page) -> tuple[list[Any], bool]:
    """Return a page of a response's input items, and whether there are more. Raises: NotFoundError for
    a response that the project has not; InvalidRequestError for a cursor that is none of its items."""
    response, _ = await get_response(gateway, caller, response_id)
    items = list(reversed(response.input)) if page.descending else list(response.input)
    if page.after is not None:
        places = [place for place, item in enumerate(items) if item["id"] == page.after]
        if not places:
            raise InvalidRequestError(f"after: the response has no input item '{page.after}'.", param="after")
        items = items[places[0] + 1 :]
    return items[: page.limit], len(items) > page.limit
