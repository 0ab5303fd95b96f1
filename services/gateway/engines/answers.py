"""What the engine routes answer, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class LegacyEngine(BaseModel):
    """A model, as OpenAI's old engine object tells it."""

    id: str
    object: Literal["engine"]
    owner: str
    ready: Literal[True]
