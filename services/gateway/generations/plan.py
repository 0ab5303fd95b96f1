"""From a request to the run that it asks for: which recipe version, how many stories, at what price."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.generations.schemas import GenerationRequest
from services.gateway.models.naming import model_headers, name_model
from services.gateway.recipes.content import check_content
from services.gateway.recipes.schemas import InlineRecipe
from services.gateway.recipes.service import get_recipe, record_content
from services.gateway.recipes.sources import fetch_values
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.contracts.recipes.grid import Grid, read_grid
from shared.contracts.recipes.prompts import RowPrompts, read_prompts
from shared.contracts.recipes.stories import StorySource
from shared.errors import InvalidRequestError
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.worst_case import find_max_tokens
from shared.outside.providers.border.answers import Kind
from shared.outside.providers.template_contract import TemplateContract, keep_contract
from shared.stores.db.repositories import recipes
from shared.stores.db.repositories.recipes import RecipeContent


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run that can be made; nothing is written yet."""

    request: GenerationRequest
    content: RecipeContent
    recipe_name: str
    version_id: str | None
    """None for an inline recipe, which is recorded with the run."""
    grid: Grid
    model: str
    """The provider's name: a run keeps the model that an alias led to when it was made."""
    repeats: int
    total: int
    quote: PriceQuote
    contract: TemplateContract | None = None

    def build_headers(self) -> dict[str, str]:
        """Return what the answer to a new run says beside its body, by the prompt of the longest cell."""
        prompt = self.prompts.render_longest(self.grid.longest_cell())
        body = {**self.content.parameters, "prompt": prompt}
        return model_headers(self.model, keep_contract(self.contract, self.kind, body).warning)

    @property
    def pilot(self) -> int | None:
        """How many stories are written first; None when that would be all of them."""
        asked = self.request.pilot
        return asked if asked is not None and asked < self.total else None

    @property
    def source(self) -> StorySource:
        """What the run's rows are made from."""
        content = self.content
        return StorySource(
            self.grid, content.template, self.prompts, content.format, self.repeats, self.model, content.parameters
        )

    @property
    def prompts(self) -> RowPrompts:
        """How the rows' prompts are made."""
        return read_prompts(self.content.template, self.content.pools)

    @property
    def kind(self) -> Kind:
        """The provider's endpoint that writes the stories."""
        return "chat" if self.content.format == "chat" else "completion"

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that a story's first text can have; None when nothing says so."""
        return find_max_tokens(self.kind, self.content.parameters)

    @property
    def most_tokens(self) -> int:
        """The most tokens that a story can have, with those of a text that was cut before."""
        raised = (self.content.rules or {}).get("raise_max_tokens") or 0
        return (self.max_tokens or 0) + raised


async def plan_run(gateway: Gateway, caller: Principal, request: GenerationRequest) -> RunPlan:
    """Check a request and work out what it asks for. Raises: InvalidRequestError when it is too large or cannot be
    meant, NotFoundError for an unknown recipe or model."""
    content, name, version_id = await load_content(gateway, caller, request.recipe)
    grid = await gateway.computing.run(
        caller.project_id, read_grid, content.attributes, content.attribute_names, content.selection
    )
    repeats = request.repeats or content.repeats
    total = min(grid.cell_count * repeats, request.limit or grid.cell_count * repeats)
    check_size(grid, repeats, total, gateway.bounds.now.max_generation_rows)
    model = request.model or content.model
    named = await name_model(gateway, caller, model)
    provider = gateway.catalog.providers.find(named.listed.provider)
    assert provider is not None
    quote = find_price(provider, named.name)
    plan = RunPlan(request, content, name, version_id, grid, named.name, repeats, total, quote, named.contract)
    check_budget(plan, request.budget())
    return plan


async def load_content(
    gateway: Gateway, caller: Principal, recipe: str | InlineRecipe
) -> tuple[RecipeContent, str, str | None]:
    """Return content, name and version id of a recipe given by name, by id or inline. Raises: NotFoundError when the
    project has no such recipe."""
    if isinstance(recipe, InlineRecipe):
        whole = await fetch_values(gateway, caller, recipe)
        content = await gateway.computing.run(caller.project_id, check_content, whole)
        return content, recipe.name or f"inline-{content.content_hash[:12]}", None
    async with gateway.database.transaction() as session:
        found, version = await get_recipe(session, caller, recipe)
    return recipes.content_of(version), found.name, version.id


def check_size(grid: Grid, repeats: int, total: int, most: int) -> None:
    """Refuse a run of too many stories. Raises: InvalidRequestError with the numbers."""
    if total > most:
        cells = " × ".join(f"{axis.length} {axis.name}" for axis in grid.axes) or "1 cell"
        cells += ", some skipped" if grid.allowed else ""
        raise InvalidRequestError(
            f"The grid has {grid.cell_count} cells ({cells}); with {repeats} repeats that is "
            f"{grid.cell_count * repeats} stories, and {total} are asked for. The most is {most} "
            f"({setting_of('max_generation_rows')}): "
            "give a 'limit', or fewer values.",
            param="recipe",
            code="grid_too_large",
        )


def check_budget(plan: RunPlan, budget_usd: Decimal | None) -> None:
    """Refuse a budget that could not be held. Raises: InvalidRequestError that says what is missing."""
    if budget_usd is None:
        return
    if plan.quote.price is None:
        raise InvalidRequestError(
            f"A budget needs the price of '{plan.model}', and there is none: {plan.quote.note}.",
            param="budget_usd",
            code="unknown_price",
        )
    if plan.max_tokens is None and plan.quote.price.output_usd_per_million > 0:
        raise InvalidRequestError(
            "A budget needs a limit to every answer: set parameters.max_tokens in the recipe.",
            param="budget_usd",
            code="unlimited_answer",
        )


async def ensure_version_id(session: AsyncSession, gateway: Gateway, caller: Principal, plan: RunPlan) -> str:
    """Return the recipe version of a run; an inline recipe is recorded now."""
    if plan.version_id is not None:
        return plan.version_id
    _, version, _ = await record_content(session, gateway, caller, plan.recipe_name, plan.content)
    return version.id
