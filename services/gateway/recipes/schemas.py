"""Bodies of the recipe routes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody

MAX_REPEATS = 10_000


def check_name(name: str) -> str:
    """Return a name that can stand in a URL and a log line. Raises: ValueError for one that cannot; pydantic makes a
    refusal of it."""
    if not name.isprintable() or name != name.strip() or "/" in name:
        raise ValueError("a name has printable characters, no '/', and no space at its ends")
    return name


RecipeName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_name)]


RuleWords = Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=100)]


class RecipeRules(RequestBody):
    """What a story must be to be taken."""

    model_config = ConfigDict(extra="forbid")

    min_characters: int | None = Field(None, ge=1, le=10_000_000)
    max_characters: int | None = Field(None, ge=1, le=10_000_000)
    must_contain: RuleWords = Field(default_factory=list)
    must_not_contain: RuleWords = Field(default_factory=list)
    ends_properly: bool = False
    finish_reason: str | None = Field(None, min_length=1, max_length=32, examples=["stop"])
    is_json: bool = False
    distinct: bool = Field(False, description="No two stories of a run have the same text.")
    tries: int = Field(5, ge=1, le=1000, description="Texts asked for at most, before a story is rejected.")


class InlineRecipe(RequestBody):
    """A recipe's content; inside a generation it needs no name."""

    model_config = ConfigDict(extra="forbid")

    name: RecipeName | None = None
    template: str = Field(min_length=1, examples=["写一个{{ dynasty }}朝的故事。"])
    attributes: dict[str, Any] = Field(default_factory=dict, examples=[{"dynasty": ["唐", "宋"]}])
    """Name → a list of values, `{"range": [from, to, step]}` or `{"weighted": {value: weight}}`."""
    repeats: int = Field(1, ge=1, le=MAX_REPEATS)
    model: str = Field(min_length=1, max_length=512, examples=["text-davinci-003"])
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{"max_tokens": 600, "temperature": 0.5}])
    format: Literal["completion", "chat"] = "completion"
    rules: RecipeRules | None = Field(None, description="A text that breaks one is kept apart, and asked for anew.")


class RecipeRequest(InlineRecipe):
    """The body of `POST /v1/recipes`."""

    name: RecipeName


class Recipe(BaseModel):
    """The newest version of a recipe."""

    id: str
    object: Literal["recipe"]
    name: str
    version: int
    version_id: str
    template: str
    attributes: dict[str, Any]
    repeats: int
    model: str
    parameters: dict[str, Any]
    format: Literal["completion", "chat"]
    rules: dict[str, Any] | None
    cells: int | float | None
    stories: int | float | None
    created_at: int


class DeletedRecipe(BaseModel):
    """What is left of a recipe."""

    id: str
    object: Literal["recipe"] = "recipe"
    deleted: bool
