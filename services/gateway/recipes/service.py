"""Record and find recipes."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.limits.quotas import require_quota
from services.gateway.recipes.content import check_content
from services.gateway.recipes.schemas import RecipeRequest
from services.gateway.recipes.sources import fetch_values
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.contracts.recipes.grid import count_cells
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Recipe, RecipeVersion
from shared.stores.db.repositories import generation_removal, recipes
from shared.stores.db.repositories.pages import Page
from shared.stores.db.repositories.recipes import RecipeContent

EXACT_NUMBERS: Final = 2**53
"""Up to here every reader of JSON reads a whole number as it is."""


async def record_recipe(
    gateway: Gateway, caller: Principal, request: RecipeRequest
) -> tuple[Recipe, RecipeVersion, bool]:
    """Record a recipe: a new name, a new version of a known one, or what is there already (then False).
    Raises: RateLimitedError for one version too many."""
    recipe = await fetch_values(gateway, caller, request)
    content = await gateway.computing.run(caller.project_id, check_content, recipe)
    async with gateway.database.transaction() as session:
        return await record_content(session, gateway, caller, request.name, content)


async def record_content(
    session: AsyncSession, gateway: Gateway, caller: Principal, name: str, content: RecipeContent
) -> tuple[Recipe, RecipeVersion, bool]:
    """Record what a recipe of this name is now. Raises: RateLimitedError for one version too many."""
    recipe = await recipes.ensure_recipe(session, caller.project_id, name)
    version, is_new = await recipes.ensure_version(session, recipe, content)
    if is_new:
        await require_quota(session, gateway, caller, max_recipe_versions=0)
    return recipe, version, is_new


async def get_recipe(session: AsyncSession, caller: Principal, name_or_id: str) -> tuple[Recipe, RecipeVersion]:
    """Return a recipe and its newest version. Raises: NotFoundError when the project has none of this name or id."""
    recipe = await recipes.find_recipe(session, caller.project_id, name_or_id)
    if recipe is None:
        raise NotFoundError(f"No recipe '{name_or_id}' in this project.", param="recipe")
    return recipe, await recipes.get_newest_version(session, recipe.id)


async def delete_recipe(gateway: Gateway, caller: Principal, name_or_id: str) -> Json:
    """Delete a recipe with its versions. Raises: ConflictError while runs of it are there; NotFoundError when the
    project has none of this name or id."""
    async with gateway.database.transaction() as session:
        recipe, _ = await get_recipe(session, caller, name_or_id)
        runs = await generation_removal.lock_recipe_and_count_runs(session, caller.project_id, recipe.id)
        if runs:
            made = "1 generation was" if runs == 1 else f"{runs} generations were"
            message = f"{made} made from '{recipe.name}', and tell of it. Delete them first."
            raise ConflictError(message, param="recipe", code="recipe_in_use")
        await generation_removal.delete_recipe(session, recipe.id)
    return {"id": recipe.id, "object": "recipe", "deleted": True}


async def list_recipes(
    gateway: Gateway, caller: Principal, page: Page
) -> tuple[Sequence[tuple[Recipe, RecipeVersion]], bool]:
    """Return a page of recipes, each with its newest version. Raises: NotFoundError for a cursor that is not there."""
    async with gateway.database.transaction() as session:
        if page.after is not None:
            await get_recipe(session, caller, page.after)
        found, has_more = await recipes.list_recipes(session, caller.project_id, page)
        newest = await recipes.list_newest_versions(session, [recipe.id for recipe in found])
    return [(recipe, newest[recipe.id]) for recipe in found], has_more


def shape_recipe(recipe: Recipe, version: RecipeVersion) -> Json:
    """Return the recipe object, its attributes in their order."""
    cells = count_cells(version.attributes, version.selection)
    return {
        "id": recipe.id,
        "object": "recipe",
        "name": recipe.name,
        "version": version.number,
        "version_id": version.id,
        "template": version.template,
        "attributes": {name: version.attributes[name] for name in version.attribute_names},
        "repeats": version.repeats,
        "model": version.model,
        "parameters": version.parameters,
        "format": version.format,
        "rules": version.rules,
        "skip": (version.selection or {}).get("skip", []),
        "sample": (version.selection or {}).get("sample"),
        "pools": version.pools or {},
        "cells": tell_count(cells),
        "stories": tell_count(cells * version.repeats),
        "created_at": unix_seconds(version.created_at),
    }


def tell_count(count: int) -> int | float | None:
    """Return a count as JSON can say it: exactly, or about how many; None beyond all numbers. A run may write the first
    cells of any grid."""
    if count <= EXACT_NUMBERS:
        return count
    try:
        return float(count)
    except OverflowError:
        return None
