"""Hold a project to its quotas where it asks for more."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import Bounds, setting_of
from shared.errors import RateLimitedError
from shared.stores.db.repositories.quotas import MEASURES, measure_project

RETRY_SECONDS: Final = 30.0
CODE: Final = "quota_exceeded"


async def require_quota(session: AsyncSession, gateway: Gateway, caller: Principal, **more: int) -> None:
    """Pass when the project may have so much `more`, by the names of the bounds. Requests at the same moment may each
    pass. Raises: RateLimitedError that says what is exceeded, and by which setting."""
    bounds = gateway.bounds.now
    used = await measure_project(session, caller.project_id, more)
    for name, wanted in more.items():
        if used[name] + wanted > getattr(bounds, name):
            raise exceeded(bounds, name, used[name])


async def measure_quotas(gateway: Gateway, caller: Principal) -> dict[str, int]:
    """Return how much of every quota the project has."""
    async with gateway.database.transaction() as session:
        return await measure_project(session, caller.project_id, MEASURES)


def exceeded(bounds: Bounds, name: str, used: int) -> RateLimitedError:
    """Return a refusal that names the quota, how much of it is used, and the setting that changes it."""
    what, most = Bounds.model_fields[name].description, getattr(bounds, name)
    return RateLimitedError(
        f"This would be more than {most} {what} ({setting_of(name)}); there are {used}. Delete some, or come back when "
        "some are done.",
        retry_after_seconds=RETRY_SECONDS,
        code=CODE,
    )
