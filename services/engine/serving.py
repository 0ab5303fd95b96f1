"""Brings the engine up (weights, model, thread) and down; what the routes hold on to.

The HTTP side answers at once; the model loads in the background and `stage` says how far it is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
import torch

from services.engine.admission.admit import AdmittedBase, admit_base
from services.engine.admission.record import AdmissionRecord
from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.serving_memory import MIB
from services.engine.batching.engine_thread import EngineThread
from services.engine.constraints.compiler import GrammarCompiler
from services.engine.errors import ModelNotFoundError, OverloadedError, ServerError
from services.engine.metrics import EngineMetrics
from services.engine.model.adapter import Adapter, AdapterError
from services.engine.model.adapter_shelf import AdapterShelf
from services.engine.model.load import DTYPES, choose_device
from services.engine.model.prompts import PromptEncoder
from services.engine.model.runner import ModelRunner
from services.engine.prompt_reading import PromptReading
from services.engine.registry import ModelEntry, ModelRegistry
from services.engine.served_effects import ServedEffects
from services.engine.settings import EngineSettings
from services.engine.training.effect import EffectError
from services.engine.training.memory import free_bytes
from services.engine.weights.package import WeightsError
from services.engine.weights.prepare import prepare_model

log = structlog.get_logger(__name__)

RETRY_WHILE_LOADING_SECONDS = 5.0
"""What a client is told to wait while the model loads."""


@dataclass(frozen=True)
class LoadedModel:
    """Everything that exists only once the model is in memory."""

    record: AdmissionRecord
    tokenizer: Any
    prompts: PromptEncoder
    runner: ModelRunner
    shelf: AdapterShelf
    thread: EngineThread
    effects: ServedEffects
    grammars: GrammarCompiler


class Serving:
    """One per application. `stage` is None when ready, else what is going on or what went wrong."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.registry = ModelRegistry(settings)
        self.metrics = EngineMetrics()
        self.reading = PromptReading()
        self.stage: str | None = "starting"
        self.failure: Exception | None = None
        self._loaded: LoadedModel | None = None

    async def load(self) -> None:
        """Prepare and load the model, then serve. A failure is kept in `failure` and logged."""
        loop = asyncio.get_running_loop()

        def report(stage: str) -> None:
            log.info("loading", stage=stage)
            loop.call_soon_threadsafe(setattr, self, "stage", stage)

        try:
            path = await asyncio.to_thread(prepare_model, self.settings, report)
            base = await asyncio.to_thread(self._admit, path, report)
        except (BaseRefusedError, WeightsError) as error:
            log.error("the model cannot be served", reason=str(error))
            self.failure, self.stage = error, f"failed: {error}"
            return
        except Exception as error:
            log.exception("the model cannot be served")
            self.failure, self.stage = error, f"failed: {error}"
            return
        for warning in base.record.warnings:
            log.warning("the base is served all the same", warning=warning)
        self._loaded = self._start(base)
        self.registry.base_fingerprint = base.record.fingerprint
        self.stage = None
        runner = base.runner
        log.info(
            "ready",
            model=self.settings.base_name,
            fingerprint=str(base.record.fingerprint),
            device=str(runner.device),
            dtype=str(runner.dtype),
        )

    def get_loaded(self) -> LoadedModel:
        """Return the loaded model. Raises: OverloadedError while it loads, ServerError if it never will."""
        if self._loaded is not None:
            return self._loaded
        if self.failure is not None:
            raise ServerError(f"The model could not be loaded: {self.failure}", code="model_load_failed")
        raise OverloadedError(
            f"The engine is starting: {self.stage}. Please retry shortly.",
            code="engine_starting",
            retry_after_seconds=RETRY_WHILE_LOADING_SECONDS,
        )

    async def fetch_adapter(self, entry: ModelEntry, asked_for: str) -> Adapter | None:
        """Return the adapter of a model, None for the base; when it is new, its effect is looked for first.

        Raises: ModelNotFoundError if its files are gone, ServerError when it cannot be applied or does something else
        than in training, or the engine stops, OverloadedError while the base loads or when the check finds no room.
        """
        if entry.folder is None:
            return None
        loaded = self.get_loaded()
        try:
            adapter = await asyncio.to_thread(loaded.shelf.fetch, entry.folder)
            await loaded.effects.check(entry, adapter)
            return adapter
        except (AdapterError, EffectError) as error:
            log.warning("adapter not served", model=entry.id, error=str(error))
            if not entry.folder.is_dir():
                raise ModelNotFoundError(asked_for) from error
            raise ServerError(f"The model '{asked_for}' cannot be served: {error}", code="model_broken") from error

    def drain(self) -> None:
        """End whatever is still being written."""
        if self._loaded is not None:
            self._loaded.thread.end_all(ServerError("The engine is shutting down.", code="shutting_down"))

    async def close(self) -> None:
        """Stop the model thread."""
        self.reading.close()
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.thread.stop)
            self._loaded.grammars.close()

    def _admit(self, path: str, report: Callable[[str], None]) -> AdmittedBase:
        settings = self.settings
        torch.set_num_threads(settings.threads)
        device = choose_device(settings.device)
        return admit_base(
            path,
            settings.state_dir.resolve(),
            choose_dtype(settings.dtype, device),
            device,
            slots=settings.max_batch_size,
            context_length=settings.context_length,
            report=report,
        )

    def _start(self, base: AdmittedBase) -> LoadedModel:
        settings, tokenizer, runner = self.settings, base.tokenizer, base.runner
        thread = EngineThread(
            runner,
            tokenizer,
            base.record.end_tokens,
            batch_size=settings.max_batch_size,
            queue_size=settings.max_queued_sequences,
            chunk_tokens=settings.prefill_chunk_tokens,
            metrics=self.metrics,
        )
        thread.start()
        shelf = AdapterShelf(runner, settings.adapters_in_memory, self._count_merged_copies(base))
        effects = ServedEffects(thread, runner.dtype, runner.context_length)
        grammars = GrammarCompiler(
            tokenizer, runner.vocabulary_size, base.record.end_tokens, settings.max_grammar_bytes
        )
        return LoadedModel(base.record, tokenizer, PromptEncoder(tokenizer), runner, shelf, thread, effects, grammars)

    def _count_merged_copies(self, base: AdmittedBase) -> int:
        """As many as wanted, or as fit beside a full cache; adapters without one are applied row by row."""
        free, wanted = free_bytes(base.runner.device), self.settings.merged_adapters
        fitting = base.memory.count_merged(wanted, free)
        plan = {**base.memory.describe(), "free_mib": free // MIB, "merged_copies": fitting}
        if base.memory.full_cache > free:
            log.warning("the cache may outgrow the free memory: lower the context length or the batch size", **plan)
        else:
            log.info("memory plan", **plan)
        return fitting


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """Resolve `auto`: bfloat16 where the processor or GPU multiplies it natively, else float32."""
    if wanted != "auto":
        return DTYPES[wanted]
    if device.type == "cpu":
        fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    else:
        # Emulated, it is slower than float32 (T4, V100).
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32
