"""Say an API's error in the words of the command that met it: options, not fields. Knows no command."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, Protocol, TypeVar

from storymill.client.errors import ApiError

Body = TypeVar("Body", bound=Callable[..., Any])

FIELD_OPTIONS: Final = "field_options"
"""Attribute of a command's function: what it calls the fields that have no option of their own name."""
FIELD: Final = re.compile(r"'(?P<quoted>[A-Za-z_.]+)'|(?<![\w.$/'-])(?P<bare>[a-z]+(?:[._][a-z]+)+)(?![\w/='-])")
"""A field as messages write it: in quotes, or a word that no language has."""


class Parameter(Protocol):
    """What is read of a command's parameter."""

    name: str | None
    opts: list[str]
    metavar: str | None


def fields_are(**options: str) -> Callable[[Body], Body]:
    """Say which option fills a field of the request; `tuned__prompt_tokens` stands for `tuned.prompt_tokens`."""

    def mark(body: Body) -> Body:
        setattr(body, FIELD_OPTIONS, {name.replace("__", "."): option for name, option in options.items()})
        return body

    return mark


def naming_options(body: Callable[..., Any], parameters: list[Parameter]) -> Callable[..., Any]:
    """Return a command's function, whose refused requests are told with its options."""
    names = {one.name: describe_parameter(one) for one in parameters if one.name}
    names |= getattr(body, FIELD_OPTIONS, {})

    @wraps(body)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return body(*arguments, **options)
        except ApiError as error:
            raise name_options(error, names) from error

    return run


def name_options(error: ApiError, names: Mapping[str, str]) -> ApiError:
    """Return the error with the fields of the request named as the person typed them."""

    def rename(found: re.Match[str]) -> str:
        return names.get(found["quoted"] or found["bare"], found[0])

    said = FIELD.sub(rename, error.message)
    return ApiError(error.status, said, error.code, error.retry_after_seconds, error.param)


def describe_parameter(parameter: Parameter) -> str:
    """Return `--option`, or `ARGUMENT` for one without."""
    long = next((name for name in parameter.opts if name.startswith("--")), None)
    return long or parameter.metavar or (parameter.name or "").upper()
