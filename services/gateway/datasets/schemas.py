"""Bodies of the dataset routes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from services.gateway.http.dependencies import ID_PATTERN
from services.gateway.http.request_body import RequestBody

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Side = Literal["train", "validation"]
SourceId = Annotated[str, Field(pattern=ID_PATTERN)]
FieldPath = Annotated[str, Field(min_length=1, max_length=512)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]


class GenerationSource(RequestBody):
    """The finished stories of a run that no reviewer has rejected; for preference pairs, the reviewed ones."""

    model_config = ConfigDict(extra="forbid")
    generation: SourceId


class FileSource(RequestBody):
    """An uploaded file."""

    model_config = ConfigDict(extra="forbid")
    file: SourceId
    encoding: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.:-]{1,40}$",
        description="What the file is written in, such as cp1252; told by it unless given.",
    )
    sheet: str | None = Field(
        None, min_length=1, max_length=255, description="Of a workbook: the sheet's name, or its number from 1."
    )
    prompt_field: FieldPath | None = Field(
        None,
        description="Where the prompt stands: a column, or a path such as messages.0.content; several with commas.",
    )
    completion_field: FieldPath | None = Field(None, description="Where the completion stands, in the same way.")


def tell_source(value: object) -> str:
    """Return which kind of source is meant, so that what is wrong with it is said of that kind alone."""
    names_file = "file" in value if isinstance(value, dict) else isinstance(value, FileSource)
    return "FileSource" if names_file else "GenerationSource"


Source = Annotated[
    Annotated[GenerationSource, Tag("GenerationSource")] | Annotated[FileSource, Tag("FileSource")],
    Discriminator(tell_source),
]


class DatasetRequest(RequestBody):
    """The body of `POST /v1/datasets`."""

    model_config = ConfigDict(extra="forbid")

    sources: list[Source] = Field(min_length=1, max_length=32)
    format: Literal["completion", "chat", "preference"] | None = Field(
        None,
        description="As the sources are, unless given: chat if all of them are. `preference` pairs reviewed stories.",
    )
    validation_share: float = Field(0.1, ge=0, le=0.5, description="Of the groups of equal or nearly equal rows.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    stratify: str | None = Field(None, min_length=1, max_length=128, description="A column, or a recipe's attribute.")
    model: str = Field("gpt-3.5-turbo", min_length=1, max_length=512, description="Whose tokens and limit count.")
    prompt: Literal["attributes", "recipe"] = Field(
        "attributes", description="Of a run's rows: its attributes' values alone, or the recipe's whole prompt."
    )
    pairs_per_story: int = Field(
        16, ge=1, le=1000, description="Of preference pairs: most rejected stories that an accepted one is paired with."
    )
    attribute_separator: str = Field(",", max_length=16)
    system: str | None = Field(None, min_length=1, max_length=32_768, description="For pairs that become chat.")
    apply: list[Code] = Field(default_factory=list, max_length=100, description="Findings to fix too; 'all'.")
    skip: list[Code] = Field(default_factory=list, max_length=100, description="Fixes to leave out.")


class Dataset(BaseModel):
    """A dataset: one preparation and what it made."""

    id: str
    object: Literal["dataset"]
    version: str | None
    status: Status
    sources: list[dict[str, str]]
    format: Literal["completion", "chat", "preference"] | None
    options: dict[str, Any]
    counts: dict[str, int] | None
    findings: list[dict[str, Any]] | None
    fixes: list[str] | None
    template: dict[str, Any] | None
    files: dict[str, str | None] | None
    cost_usd: float | None
    cost_note: str | None
    error: dict[str, Any] | None
    created_at: int
    started_at: int | None
    finished_at: int | None


class DeletedDataset(BaseModel):
    """What is left of a dataset."""

    id: str
    object: Literal["dataset"]
    deleted: bool
