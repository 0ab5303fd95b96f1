"""What the routes for operators answer, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class Alive(BaseModel):
    """The process runs."""

    status: Literal["ok"]


class StoresReadiness(BaseModel):
    """Whether the process can serve, and what is wrong."""

    status: Literal["ready", "unavailable"]
    problems: list[str]
