"""Bodies of the recipe routes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody
from shared.contracts.recipes.prompts import MAX_SHOWN, USUAL_SEPARATOR
from shared.contracts.recipes.skips import MAX_CONSTRAINTS

MAX_REPEATS = 10_000


def check_name(name: str) -> str:
    """Return a name that can stand in a URL and a log line. Raises: ValueError for one that cannot; pydantic makes a
    refusal of it."""
    if not name.isprintable() or name != name.strip() or "/" in name:
        raise ValueError("a name has printable characters, no '/', and no space at its ends")
    return name


RecipeName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_name)]


RuleWords = Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=100)]


Script = Literal["Han", "Latin", "kana", "Hangul", "Cyrillic", "Arabic", "Greek", "Thai", "Devanagari", "Hebrew"]
"""Names of scripts as the findings of datasets have them."""


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
    json_schema: dict[str, Any] | None = Field(
        None,
        min_length=1,
        description="The text is JSON that meets this JSON Schema; it leads nowhere outside of itself.",
        examples=[{"type": "object", "required": ["title"]}],
    )
    script: Script | None = Field(None, description="What the text is written in, from its beginning to its end.")
    distinct: bool = Field(False, description="No two stories of a run have the same text.")
    near_distinct: bool = Field(False, description="No two stories of a run have nearly the same text.")
    raise_max_tokens: int | None = Field(
        None, ge=2, le=10_000_000, description="A text that was cut at max_tokens is asked for once more, with so many."
    )
    tries: int = Field(5, ge=1, le=1000, description="Texts asked for at most, before a story is rejected.")


SkippedValue = str | int | float | bool


class OtherValues(RequestBody):
    """All values of an attribute but some."""

    model_config = ConfigDict(extra="forbid")

    not_: list[SkippedValue] = Field(alias="not", min_length=1, max_length=10_000)


SkippedCells = Annotated[dict[str, SkippedValue | list[SkippedValue] | OtherValues], Field(min_length=1)]


class RecipeSample(RequestBody):
    """So many cells of the grid, drawn at random, each place of it at most once."""

    model_config = ConfigDict(extra="forbid")

    cells: int = Field(ge=1, le=1_000_000_000)
    seed: int = Field(0, ge=0, le=2**53, description="Another seed, other cells; a larger sample holds the smaller.")


class RecipePool(RequestBody):
    """Texts of which each prompt shows a few, in the place of a placeholder with the pool's name."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] | dict[str, Any] = Field(
        description="The texts, or where they come from: a file's column, an earlier run's stories."
    )
    count: int = Field(1, ge=1, le=MAX_SHOWN, description="How many a prompt shows.")
    separator: str = Field(USUAL_SEPARATOR, max_length=1000, description="What stands between two.")


class InlineRecipe(RequestBody):
    """A recipe's content; inside a generation it needs no name."""

    model_config = ConfigDict(extra="forbid")

    name: RecipeName | None = None
    template: str = Field(min_length=1, examples=["写一个{{ dynasty }}朝的故事。"])
    attributes: dict[str, Any] = Field(default_factory=dict, examples=[{"dynasty": ["唐", "宋"]}])
    """Name → a list of values, `{"range": [from, to, step]}`, `{"weighted": {value: weight}}`, or where they come from:
    `{"file": id, "column": name}`, `{"stories": generation}`."""
    skip: list[SkippedCells] = Field(
        default_factory=list,
        max_length=MAX_CONSTRAINTS,
        description="Cells that are left out: those with one of the values in each of the attributes named.",
        examples=[[{"dynasty": ["唐", "宋"], "weapon": "枪"}]],
    )
    sample: RecipeSample | None = Field(None, description="Only so many cells, drawn at random.")
    pools: dict[str, RecipePool] = Field(default_factory=dict, description="Examples that prompts show, by name.")
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
    skip: list[dict[str, Any]]
    sample: dict[str, int] | None
    pools: dict[str, dict[str, Any]]
    cells: int | float | None
    stories: int | float | None
    created_at: int


class DeletedRecipe(BaseModel):
    """What is left of a recipe."""

    id: str
    object: Literal["recipe"] = "recipe"
    deleted: bool
