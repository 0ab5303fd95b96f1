"""What every route behind a key does before its own code: check key and scope, read JSON strictly, answer once."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from services.gateway.console.access import READING_METHODS, identify
from services.gateway.http.idempotency import answer_once, hash_head, hash_request, open_claim
from services.gateway.http.json_request import JsonRequest
from services.gateway.http.query_names import refuse_unread_names
from services.gateway.wiring import Gateway
from shared.auth.principal import READ, WRITE
from shared.bounds import Bounds, setting_of
from shared.texts.json_cost import JsonBound
from shared.texts.row_bound import JSON_VALUES, bound_json

SHOWN_SECURITY = HTTPBearer(auto_error=False, description="An API key of this server: sm_...")
"""Tells OpenAPI about the key; the checking is done by `KeyedRoute`, before the body is read."""
RECIPE_NODES = setting_of("max_recipe_nodes")
NEEDS_READ = {"x-scope": READ}
"""`openapi_extra` of a POST that changes nothing: a key that may only read may call it."""


class KeyedRoute(APIRoute):
    """A route that only a valid key opens."""

    takes_json = True

    def bound_json(self, bounds: Bounds) -> JsonBound:
        """Return how much JSON the route parses."""
        return bound_json(bounds)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler with our steps around it."""
        handle = super().get_route_handler()
        reads = set(self.methods or ()) <= READING_METHODS or (self.openapi_extra or {}) == NEEDS_READ
        scope = READ if reads else WRITE

        async def handle_keyed(request: Request) -> Response:
            gateway: Gateway = request.app.state.gateway
            principal = await identify(gateway, request)
            gateway.rates.take(principal, gateway.bounds.now)
            principal.require(scope)
            strict = JsonRequest(
                request.scope, request.receive, self.bound_json(gateway.bounds.now), gateway.body_turns
            )
            if self.takes_json:
                await strict.check_content_type()
            claim = open_claim(gateway.database, principal, strict)
            strict.state.principal = principal
            strict.state.claim = claim
            if claim.key is None:
                return await handle(strict)
            request_hash = await hash_request(strict) if self.takes_json else hash_head(strict)
            return await answer_once(claim, request_hash, lambda: handle(strict))

        return handle_keyed


class RecipeRoute(KeyedRoute):
    """A route to which whole recipes are sent: long lists of values, each with its weight."""

    def bound_json(self, bounds: Bounds) -> JsonBound:
        """Return how much JSON the route parses."""
        values = max(bounds.max_recipe_nodes, bounds.max_json_values)
        return JsonBound(bounds.max_recipe_nodes, values, RECIPE_NODES, JSON_VALUES)


class UploadRoute(KeyedRoute):
    """A route whose body is read piece by piece, and is therefore no part of what makes two requests the same."""

    takes_json = False


def keyed_router(tag: str, route_class: type[KeyedRoute] = KeyedRoute, *, prefix: str = "/v1") -> APIRouter:
    """Return a router under /v1 whose routes need a key, and take query parameters that they do not know: clients of
    OpenAI send such."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=route_class, dependencies=[Depends(SHOWN_SECURITY)])


def own_router(tag: str, route_class: type[KeyedRoute] = KeyedRoute) -> APIRouter:
    """Return the same for routes that OpenAI does not have: they refuse query parameters that they do not know."""
    router = keyed_router(tag, route_class)
    router.dependencies.append(Depends(refuse_unread_names))
    return router
