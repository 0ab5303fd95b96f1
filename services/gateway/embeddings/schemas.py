"""The body of a request for embeddings. Unknown fields pass on to the provider; null means absent."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from services.gateway.completions.schemas import TokenIds
from services.gateway.http.body_rules import need_one
from services.gateway.http.request_body import RequestBody

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1, fail_fast=True)]
Inputs = Text | Texts | TokenIds | Annotated[list[TokenIds], Field(min_length=1, fail_fast=True)]


class EmbeddingRequest(RequestBody):
    """The body of `POST /v1/embeddings`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=need_one("model"))

    model: str | None = Field(None, max_length=512, examples=["gemma-3-270m"])
    input: Inputs = Field(examples=[["唐朝的一位英雄", "宋朝的一位英雄"]])
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="`base64`: 32-bit floats, little end first, as OpenAI's own clients ask for them."
    )
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _refuse_nothing(cls, value: Any) -> Any:
        if value in ("", []):
            raise ValueError("there is nothing to embed: input is empty")
        return value
