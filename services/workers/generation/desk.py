"""What the volume slices of one process share: slots per provider, the limits, and which runs are in work here."""

from typing import Self

from services.workers.generation.call_slots import CallSlots
from services.workers.process.context import WorkerContext
from services.workers.providers.rate_limits import RateLimits
from shared.outside.providers.configuration import Provider


class GenerationDesk:
    """A part of the worker context."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._slots: dict[str, CallSlots] = {}
        self._runs: set[str] = set()

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk of a process."""
        return cls(RateLimits(context.redis, context.worker_id))

    async def stop(self) -> None:
        """Nothing to stop: slices end by themselves."""

    def find_slots(self, provider: Provider) -> CallSlots:
        """Return the process's slots for a provider."""
        return self._slots.setdefault(provider.name, CallSlots(provider.concurrency))

    def enter(self, generation_id: str) -> bool:
        """Begin a slice; False when this process works on the run already: one slice fills all its slots."""
        if generation_id in self._runs:
            return False
        self._runs.add(generation_id)
        return True

    def leave(self, generation_id: str) -> None:
        """End the slice."""
        self._runs.discard(generation_id)
