"""The signing secrets of webhooks as rows keep them: sealed with the installation's present key, once that is known."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.session import Database
from shared.stores.sealing import SecretSeal

ENDPOINTS_AT_ONCE: Final = 200
FIND_OTHERS: Final = text("""
    select id, signing_secret, previous_secret from webhook_endpoint
    where id > :after and (
        (signing_secret <> '' and not starts_with(signing_secret, :prefix))
        or (previous_secret is not null and not starts_with(previous_secret, :prefix)))
    order by id limit :row_limit
    for update
""")
WRITE: Final = text("""
    update webhook_endpoint set signing_secret = :signing_secret, previous_secret = :previous_secret where id = :id
""")


async def reseal_secrets(database: Database, seal: SecretSeal) -> int:
    """Seal with the present key what is not sealed with it; return of how many endpoints. Raises: SealError for a
    secret that no key opens: those before it are done."""
    after, count = "", 0
    while True:
        async with database.transaction() as session:
            found = await reseal_some(session, after, seal)
        if not found:
            return count
        after, count = found[-1], count + len(found)


async def reseal_some(session: AsyncSession, after: str, seal: SecretSeal) -> list[str]:
    """Seal those of some endpoints behind `after`; return which."""
    values = {"after": after, "prefix": seal.prefix, "row_limit": ENDPOINTS_AT_ONCE}
    found = (await session.execute(FIND_OTHERS, values)).all()
    for endpoint_id, signing_secret, previous_secret in found:
        changed = {
            "id": endpoint_id,
            "signing_secret": seal.reseal(signing_secret) if signing_secret else "",
            "previous_secret": None if previous_secret is None else seal.reseal(previous_secret),
        }
        await session.execute(WRITE, changed)
    return [str(row[0]) for row in found]
