"""What a response goes on from: the response before it, and items that its input refers to."""

from collections.abc import Sequence

import orjson

from services.gateway.responses.input_items import find_references, list_items, write_messages
from services.gateway.responses.item_ids import response_of
from services.gateway.responses.response_object import read_output
from services.gateway.responses.schemas import ResponseRequest
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.repositories.responses import ResponseRow, find_responses


async def read_items(gateway: Gateway, caller: Principal, body: ResponseRequest) -> list[Json]:
    """Return the request's input items, those that it refers to in their places. Raises: NotFoundError for one that is
    not stored; InvalidRequestError for an item that cannot be used."""
    items = list_items(body.input)
    references = find_references(items)
    wanted = {response_of(item_id) for item_id in references.values()} - {None}
    async with gateway.database.transaction() as session:
        rows = await find_responses(session, caller.project_id, [name for name in wanted if name])
    known = {item["id"]: item for row in rows for item in list_all_items(row)}
    for number, item_id in references.items():
        if item_id not in known:
            message = f"Item with id '{item_id}' not found. Items are not kept when store is false."
            raise NotFoundError(message, param=f"input.{number}.id")
        items[number] = known[item_id]
    return items


def list_all_items(row: ResponseRow) -> list[Json]:
    """Return the items that came in with a response, and those that came out."""
    response, completion = row
    return [*response.input, *(read_output(completion) if completion.finished_at else ())]


async def read_messages(
    gateway: Gateway, caller: Principal, body: ResponseRequest, items: Sequence[Json]
) -> list[Json]:
    """Return the whole chat: instructions, what was said before, what is said now. Raises: InvalidRequestError, also
    for a conversation that has grown beyond the bound of a body."""
    before = await read_before(gateway, caller, body.previous_response_id) if body.previous_response_id else []
    said = [*before, *write_messages(items)]
    if not said and not body.instructions:
        raise InvalidRequestError("input: give a text or at least one item.", param="input")
    most = gateway.bounds.now.max_body_bytes
    if before and (size := len(orjson.dumps(said))) > most:
        raise InvalidRequestError(
            f"The conversation has grown to {size} bytes; the most is {most} ({setting_of('max_body_bytes')}). "
            "Begin a new one with what of it matters.",
            param="previous_response_id",
        )
    return [*instruct(body.instructions), *said]


async def read_before(gateway: Gateway, caller: Principal, response_id: str) -> list[Json]:
    """Return the chat up to the end of an earlier response, without its instructions. Raises: NotFoundError,
    InvalidRequestError for one that has no text to go on from."""
    async with gateway.database.transaction() as session:
        found = await find_responses(session, caller.project_id, [response_id])
    if not found:
        raise NotFoundError(
            f"Previous response with id '{response_id}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    response, completion = found[0]
    if completion.status != "succeeded":
        raise InvalidRequestError(
            f"previous_response_id: '{response_id}' is {completion.status}: only a response that was written to its "
            "end can be gone on from.",
            param="previous_response_id",
        )
    asked: list[Json] = completion.request["messages"]
    instructed = len(instruct(response.request.get("instructions")))
    return [*asked[instructed:], *write_messages(read_output(completion))]


def instruct(instructions: str | None) -> list[Json]:
    """Return the message that carries a response's instructions: the next response does not inherit it."""
    return [{"role": "system", "content": instructions}] if instructions else []
