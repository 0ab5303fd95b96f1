"""`storymill recipes`: record what to write, and look at what is recorded."""

from pathlib import Path
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import FIRST_RECIPE, after_delete, after_newest, after_recipe
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.recipe_files import read_recipe_file
from storymill.cli.recipe_values import send_values
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_list, say, say_command

recipes_app = typer.Typer(help="Recipes: prompt template × attribute grid.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(recipes_app, name="recipes")


@recipes_app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="A recipe as JSON or YAML, for example data/recipes/ultraman.json.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Record a recipe; the same name with other content becomes its next version."""
    with connect(state_dir) as api, send_values(api, read_recipe_file(file), file.parent) as sent:
        recipe = api.post("/recipes", sent)
    say(f"{recipe['name']}  {recipe['id']}  version {recipe.get('version', 1)}")
    say_command(*after_recipe(recipe))


@recipes_app.command("list")
def list_recipes(as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show every recipe and the size of its grid."""
    with connect(state_dir) as api:
        recipes = list(api.list_all("/recipes"))
    if not print_for_programs(recipes, as_json=as_json):
        print_recipes(recipes)


def print_recipes(recipes: list[dict[str, Any]]) -> None:
    """Print recipes, one a line."""
    columns = make_columns("name", ("version", 2), "grid", ("repeats", 3), ("model", 1), right=("version", "repeats"))
    for recipe in recipes:
        sizes = " × ".join(f"{count_values(values)} {name}" for name, values in recipe["attributes"].items())
        if recipe.get("skip") or recipe.get("sample"):
            sizes += f": {recipe['cells']:,} of them"
        numbers = (str(recipe.get("version", 1)), sizes, str(recipe["repeats"]))
        add_row(columns, recipe["name"], *numbers, recipe["model"])
    print_list(columns, following=after_newest(recipes, after_recipe, FIRST_RECIPE))


@recipes_app.command("show")
def show(name: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print a recipe as JSON, ready for `recipes add`."""
    with connect(state_dir) as api:
        recipe = api.get(f"/recipes/{name}")
    if not print_for_programs([recipe], as_json=as_json):
        console.print_json(data=recipe)


@recipes_app.command("delete")
def delete(name: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Delete a recipe with all its versions; one that runs were made from stays."""
    with connect(state_dir) as api:
        api.delete(f"/recipes/{name}")
    say(f"deleted {name}")
    say_command(*after_delete("recipes"))


def count_values(values: object) -> str:
    """Return how many values an attribute has, if the list says it."""
    return str(len(values)) if isinstance(values, list) else "range of"
