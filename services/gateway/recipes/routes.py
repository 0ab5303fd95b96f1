"""`/v1/recipes…`."""

from services.gateway.http.dependencies import Caller, GatewayDep, NewestFirst
from services.gateway.http.listings import ListPage
from services.gateway.http.route import RecipeRoute, own_router
from services.gateway.recipes.schemas import DeletedRecipe, Recipe, RecipeRequest
from services.gateway.recipes.service import delete_recipe, get_recipe, list_recipes, record_recipe, shape_recipe
from shared.http.answers import JsonAnswer, list_body

router = own_router("recipes", RecipeRoute)


@router.post(
    "/recipes", summary="Record a recipe", status_code=201, response_model=Recipe, responses={200: {"model": Recipe}}
)
async def create_recipe(body: RecipeRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Record a recipe. A known name gets a new version; content that is there already is answered 200."""
    recipe, version, is_new = await record_recipe(gateway, caller, body)
    headers = {"location": f"/v1/recipes/{recipe.id}"}
    return JsonAnswer(shape_recipe(recipe, version), 201 if is_new else 200, headers)


@router.get("/recipes", summary="List recipes", response_model=ListPage[Recipe])
async def read_recipes(gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return the project's recipes, each as its newest version."""
    found, has_more = await list_recipes(gateway, caller, page)
    return JsonAnswer(list_body([shape_recipe(*pair) for pair in found], has_more=has_more))


@router.get("/recipes/{recipe}", summary="Get a recipe", response_model=Recipe)
async def read_recipe(recipe: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the newest version of a recipe, by name or id."""
    async with gateway.database.transaction() as session:
        return JsonAnswer(shape_recipe(*await get_recipe(session, caller, recipe)))


@router.delete("/recipes/{recipe}", summary="Delete a recipe", response_model=DeletedRecipe)
async def remove_recipe(recipe: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete a recipe with all its versions, by name or id, unless runs were made from it."""
    return JsonAnswer(await delete_recipe(gateway, caller, recipe))
