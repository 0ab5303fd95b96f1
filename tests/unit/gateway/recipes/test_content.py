"""A recipe's content is settled before it is stored: what asks for the same is the same recipe."""

from typing import Any

import pytest

from services.gateway.recipes.content import check_content
from services.gateway.recipes.schemas import InlineRecipe
from shared.errors import InvalidRequestError
from shared.stores.db.repositories.recipes import RecipeContent


def settle(**parameters: Any) -> RecipeContent:
    """Return the content of a recipe with these parameters."""
    recipe = {"template": "写{{ a }}。", "attributes": {"a": ["x"]}, "model": "m", "parameters": parameters}
    return check_content(InlineRecipe.model_validate(recipe))


def test_a_whole_number_is_one_however_it_is_spelled() -> None:
    spelled, plain = settle(max_tokens=64.0, temperature=1.0), settle(max_tokens=64, temperature=1.0)
    assert spelled == plain
    assert str(spelled.parameters["max_tokens"]) == "64"
    assert str(spelled.parameters["temperature"]) == "1.0"


@pytest.mark.parametrize("value", [64.5, True, "64", 0, -1.0])
def test_what_is_no_number_of_tokens_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"parameters\.max_tokens"):
        settle(max_tokens=value)
