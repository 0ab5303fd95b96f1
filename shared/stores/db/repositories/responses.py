"""Responses that are stored: added beside their text, found with it, forgotten without it."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Completion, StoredResponse

ResponseRow = tuple[StoredResponse, Completion]


def add_response(session: AsyncSession, response: StoredResponse) -> None:
    """Store a response beside the completion that the same transaction has added."""
    session.add(response)


async def find_responses(session: AsyncSession, project_id: str, response_ids: Sequence[str]) -> list[ResponseRow]:
    """Return those of the project's responses that are stored, each with its text."""
    query = (
        select(StoredResponse, Completion)
        .join(Completion, Completion.id == StoredResponse.completion_id)
        .where(StoredResponse.id.in_(response_ids), StoredResponse.project_id == project_id)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def delete_response(session: AsyncSession, response_id: str) -> None:
    """Forget a response; its text stays with the books."""
    await session.execute(delete(StoredResponse).where(StoredResponse.id == response_id))
