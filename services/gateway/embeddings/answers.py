"""What a request for embeddings answers, as it is told to machines; the answer itself is written by `service`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

EXAMPLE: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.036, -0.021]}],
    "model": "gemma-3-270m",
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}


class Embedding(BaseModel):
    """One text's vector: numbers, or their bytes in base64 where those were asked for."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens of all texts."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """OpenAI's list of embeddings, in the order of the texts. Usage is null where the provider did not count."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage | None
