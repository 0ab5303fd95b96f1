"""Check a recipe's content before it is stored. Knows no database."""

from typing import Any, Final

import orjson

from services.gateway.http.request_body import to_whole
from services.gateway.recipes.schemas import InlineRecipe, RecipeRules
from shared.contracts.recipes.axis import to_stored_spec
from shared.contracts.recipes.errors import GridError, RecipeError, TemplateError
from shared.contracts.recipes.grid import Grid, read_grid
from shared.contracts.recipes.keys import content_hash
from shared.contracts.recipes.prompts import RowPrompts, check_pools, read_prompts
from shared.errors import InvalidRequestError
from shared.outside.prices.worst_case import find_max_tokens
from shared.stores.db.repositories.recipes import RecipeContent
from shared.texts.json_schemas.beside import find_schema_fault

MAX_PARAMETER_BYTES: Final = 16 * 1024
OURS: Final = frozenset({"model", "prompt", "messages", "stream", "stream_options", "n", "best_of"})
"""Parameters that a generation sets by itself: one text, from one prompt, per story."""
WHOLE: Final = frozenset({"max_tokens", "max_completion_tokens", "seed", "logprobs", "top_logprobs"})
"""Parameters that OpenAI has as integers: `64.0` and 64 ask for the same, and are one recipe."""


def check_content(recipe: InlineRecipe) -> RecipeContent:
    """Return the content in its stored form. Raises: RecipeError for a grid, pools, rules or a template that cannot be,
    InvalidRequestError for parameters that may not be."""
    attributes = {name: to_stored_spec(spec) for name, spec in recipe.attributes.items()}
    names = list(attributes)
    selection, pools = read_selection(recipe), read_pools(recipe)
    grid = read_grid(attributes, names, selection)
    check_pools(pools, names)
    check_template(read_prompts(recipe.template, pools), grid)
    parameters = settle_parameters(recipe.parameters)
    rules = read_rules(recipe, parameters) if recipe.rules else None
    digest = content_hash(
        template=recipe.template,
        attributes=attributes,
        attribute_names=names,
        repeats=recipe.repeats,
        model=recipe.model,
        parameters=parameters,
        format=recipe.format,
        rules=rules,
        selection=selection,
        pools=pools,
    )
    return RecipeContent(
        digest,
        recipe.template,
        attributes,
        names,
        recipe.repeats,
        recipe.model,
        parameters,
        recipe.format,
        rules,
        {**selection, "cells": str(grid.cell_count)} if selection else None,
        pools or None,
    )


def read_selection(recipe: InlineRecipe) -> dict[str, Any]:
    """Return which cells a recipe asks for; empty for all of them."""
    asked = recipe.model_dump(include={"skip", "sample"}, by_alias=True)
    return {name: value for name, value in asked.items() if value}


def read_pools(recipe: InlineRecipe) -> dict[str, Any]:
    """Return a recipe's pools as they are stored."""
    return {name: pool.model_dump(exclude_defaults=True) for name, pool in recipe.pools.items()}


def read_rules(recipe: InlineRecipe, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Return a recipe's rules as they are stored; None when they ask for nothing. Raises: RecipeError for a JSON schema
    that texts cannot be held to, and for a `raise_max_tokens` that raises nothing."""
    rules = recipe.rules or RecipeRules()
    check_raise(find_max_tokens(recipe.format, parameters), rules.raise_max_tokens)
    if rules.json_schema is not None and (fault := find_schema_fault(rules.json_schema)):
        raise RecipeError(f"rules.json_schema: {fault}.", param="rules.json_schema")
    return rules.model_dump(exclude_defaults=True) or None


def check_raise(usual: int | None, raised: int | None) -> None:
    """Refuse to raise what has no limit, or a higher one. Raises: RecipeError that says so."""
    if raised is None:
        return
    if usual is None or raised <= usual:
        limit = "parameters.max_tokens sets no limit" if usual is None else f"a text may have {usual} tokens already"
        raise RecipeError(f"rules.raise_max_tokens: {raised} raises nothing, {limit}.", param="rules.raise_max_tokens")


def check_template(prompts: RowPrompts, grid: Grid) -> None:
    """Try the template on the largest cell. Raises: TemplateError for names that are no attributes, and for an empty
    prompt."""
    unknown = sorted(prompts.template.names - set(grid.names) - {pool.name for pool in prompts.pools})
    if unknown:
        raise TemplateError(f"template: {', '.join(unknown)} is not among the attributes.")
    if not prompts.render_longest(grid.longest_cell()).strip():
        raise TemplateError("template: the prompt is empty.")
    unused = sorted({pool.name for pool in prompts.pools} - prompts.template.names)
    if unused:
        raise GridError(f"pools.{unused[0]}: the template does not show it.", param=f"pools.{unused[0]}")


def settle_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters, those that are integers as such however they are spelled. Raises: InvalidRequestError,
    with the parameter's name, for those that are ours to set, and for too many bytes to carry on every call."""
    parameters = {name: to_whole(value) if name in WHOLE else value for name, value in given.items()}
    ours = sorted(OURS & set(parameters))
    if ours:
        raise InvalidRequestError(
            f"parameters: {', '.join(ours)} cannot be set; a story is one text of the recipe's model and template.",
            param=f"parameters.{ours[0]}",
        )
    if len(orjson.dumps(parameters)) > MAX_PARAMETER_BYTES:
        raise InvalidRequestError(f"parameters: larger than {MAX_PARAMETER_BYTES} bytes.", param="parameters")
    for name in ("max_tokens", "max_completion_tokens"):
        tokens = parameters.get(name)
        if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1):
            raise InvalidRequestError(f"parameters.{name}: a whole number from 1 on.", param=f"parameters.{name}")
    return parameters
