"""What routes ask for, as annotated parameters."""

from typing import Annotated

from fastapi import Depends, Query, Request

from services.gateway.http.idempotency import KeyClaim
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.stores.db.repositories.pages import Page

MAX_PAGE = 1000
ID_PATTERN = r"^[A-Za-z0-9_:.\-]{1,64}$"


def get_gateway(request: Request) -> Gateway:
    """Return what this process holds."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def get_principal(request: Request) -> Principal:
    """Return who asks (the route has checked the key)."""
    principal: Principal = request.state.principal
    return principal


def get_claim(request: Request) -> KeyClaim:
    """Return the request's hold on its Idempotency-Key."""
    claim: KeyClaim = request.state.claim
    return claim


def read_newest_first(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="The last id of the page before.")] = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> Page:
    """Return the page that a client asks for, newest first unless it says otherwise."""
    return Page(limit, after, order == "desc")


def read_in_order(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="The last id of the page before.")] = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "asc",
) -> Page:
    """Return the page that a client asks for, in the run's order unless it says otherwise."""
    return Page(limit, after, order == "desc")


GatewayDep = Annotated[Gateway, Depends(get_gateway)]
Caller = Annotated[Principal, Depends(get_principal)]
ClaimDep = Annotated[KeyClaim, Depends(get_claim)]
NewestFirst = Annotated[Page, Depends(read_newest_first)]
InOrder = Annotated[Page, Depends(read_in_order)]
