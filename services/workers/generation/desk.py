"""What the volume slices of one process share: slots per provider, the limits, and which runs are in work here."""

from typing import Self

from services.workers.generation.call_slots import CallSlots
from services.workers.generation.run_trust import RunTrust
from services.workers.process.context import WorkerContext
from services.workers.providers.model_health import ModelHealth
from services.workers.providers.rate_limits import RateLimits
from shared.outside.providers.configuration import Provider
from shared.stores.db.repositories.generation_progress import RunState


class GenerationDesk:
    """A part of the worker context."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._slots: dict[str, CallSlots] = {}
        self._runs: set[str] = set()
        self._trusts: dict[str, RunTrust] = {}

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk of a process."""
        return cls(context.rate_limits)

    async def stop(self) -> None:
        """Nothing to stop: slices end by themselves."""

    def find_slots(self, provider: Provider) -> CallSlots:
        """Return the process's slots for a provider."""
        return self._slots.setdefault(provider.name, CallSlots(provider.concurrency))

    async def find_trust(
        self, generation_id: str, state: RunState, health: ModelHealth, *, rows_are_alike: bool
    ) -> RunTrust:
        """Return how far this process trusts a run's provider to take its calls. A run that was just resumed (no row
        was claimed since: `queued`) begins with a single call, and so does one whose provider nobody has asked
        lately."""
        is_fresh = state.status == "queued"
        trust = self._trusts.get(generation_id)
        if trust is None or (is_fresh and trust.has_tried):
            is_warm = state.is_new and await health.has_answered_lately()
            is_proven = state.succeeded > 0 and not is_fresh
            trust = RunTrust(is_proven=is_proven, is_warm=is_warm, rows_are_alike=rows_are_alike)
            self._trusts[generation_id] = trust
        return trust

    def forget_trust(self, generation_id: str) -> None:
        """Begin anew when the run comes again: it was paused, or is over."""
        self._trusts.pop(generation_id, None)

    def enter(self, generation_id: str) -> bool:
        """Begin a slice; False when this process works on the run already: one slice fills all its slots."""
        if generation_id in self._runs:
            return False
        self._runs.add(generation_id)
        return True

    def leave(self, generation_id: str) -> None:
        """End the slice."""
        self._runs.discard(generation_id)
