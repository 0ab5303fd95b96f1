"""The order in which a mill is started: stores, then short steps, then services."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from storymill.launcher.process_spec import ProcessSpec


@dataclass(frozen=True)
class Step:
    """Something done once, between the stores and the services."""

    name: str
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class StartPlan:
    """Groups are started in order and stopped in reverse; the members of a group start and stop together."""

    gateway_url: str
    streaming_url: str
    stores: list[list[ProcessSpec]]
    steps: list[Step]
    services: list[list[ProcessSpec]]
