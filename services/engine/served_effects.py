"""Looks, once for each adapter that is loaded, whether the batch gives what training measured."""

import asyncio

import torch

from services.engine.batching.engine_thread import EngineThread
from services.engine.batching.requests import Priority, SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.model.adapter import Adapter
from services.engine.registry import ModelEntry
from services.engine.training.effect import check_effect


class ServedEffects:
    """Scores probes through the batch itself, so that what is checked is what clients get. On the event loop."""

    def __init__(self, thread: EngineThread, dtype: torch.dtype, context_length: int) -> None:
        self._thread = thread
        self._dtype = dtype
        self._context_length = context_length
        self._base_scores: dict[tuple[int, ...], list[float]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def check(self, entry: ModelEntry, adapter: Adapter) -> None:
        """Let an adapter pass whose effect is training's, and those whose training measured none.

        Raises: EffectError, and OverloadedError when the queue is full.
        """
        if adapter.checked:
            return
        async with self._one_at_a_time:
            if entry.effect is not None and not adapter.checked:
                effect = entry.effect.cut(self._context_length)
                tokens = effect.tokens
                base = self._base_scores.get(tuple(tokens)) or await self._score(tokens, None)
                self._base_scores = {tuple(tokens): base}
                check_effect(effect, base, await self._score(tokens, adapter), self._dtype)
            adapter.checked = True

    async def _score(self, tokens: list[int], adapter: Adapter | None) -> list[float]:
        request = SequenceRequest(
            prompt=tokens, max_tokens=0, sampling=SamplingOptions(top_logprobs=0), adapter=adapter, score_prompt=True
        )
        running = RunningRequest([request], Priority.INTERACTIVE)
        self._thread.submit(running)
        try:
            deltas = [delta async for delta in running.read()]
        finally:
            self._thread.cancel(running)
        return [one.logprob for delta in deltas for one in delta.prompt_logprobs or []]
