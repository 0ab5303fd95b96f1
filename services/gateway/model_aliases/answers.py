"""What the alias routes answer, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class AliasStep(BaseModel):
    """A line of the audit trail."""

    version: int
    action: str
    model: str | None
    canary_model: str | None
    canary_share: float | None
    changed_by: str
    reason: str | None
    created_at: int


class Alias(BaseModel):
    """A name that leads to a model; its `history` is told where one alias is asked for."""

    id: str
    object: Literal["model_alias"]
    alias: str
    model: str
    canary_model: str | None
    canary_share: float | None
    version: int
    created_at: int
    updated_at: int
    history: list[AliasStep] | None = None


class DeletedAlias(BaseModel):
    """What is left of an alias."""

    id: str
    object: Literal["model_alias"]
    deleted: Literal[True]
