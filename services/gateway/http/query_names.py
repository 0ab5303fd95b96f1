"""Refuse what nobody reads: a filter with a typing error would list everything, and of two the last one would count."""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from shared.errors import InvalidRequestError

LONGEST_SHOWN = 80


def refuse_unread_names(request: Request) -> None:
    """Pass when the route knows every query parameter, and each is given once. Raises: InvalidRequestError that names
    one that is not so."""
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = sorted(field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query))
    for name in request.query_params:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            message = f"'{name[:LONGEST_SHOWN]}' is no query parameter of this route: {has}."
            raise InvalidRequestError(message, param=name[:LONGEST_SHOWN], code="unknown_parameter")
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidRequestError(f"'{name}' is given more than once: say it once.", param=name)
