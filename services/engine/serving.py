"""Brings the engine up (weights, model, thread) and down; what the routes hold on to.

The HTTP side answers at once; the model loads in the background and `stage` says how far it is.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
import torch

from services.engine.batching.engine_thread import EngineThread
from services.engine.errors import ModelNotFoundError, OverloadedError, ServerError
from services.engine.metrics import EngineMetrics
from services.engine.model.adapter import Adapter, AdapterError
from services.engine.model.adapter_shelf import AdapterShelf
from services.engine.model.chat import ChatRenderer, build_chat_renderer
from services.engine.model.load import DTYPES, choose_device, load_base, load_tokenizer
from services.engine.model.runner import ModelRunner
from services.engine.registry import ModelEntry, ModelRegistry
from services.engine.settings import EngineSettings
from services.engine.weights.prepare import prepare_model

log = structlog.get_logger(__name__)

RETRY_WHILE_LOADING_SECONDS = 5.0


@dataclass(frozen=True)
class LoadedModel:
    """Everything that exists only once the model is in memory."""

    tokenizer: Any
    render_chat: ChatRenderer
    has_own_template: bool
    runner: ModelRunner
    shelf: AdapterShelf
    thread: EngineThread


class Serving:
    """One per application. `stage` is None when ready, else what is going on or what went wrong."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.registry = ModelRegistry(settings)
        self.metrics = EngineMetrics()
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
            report("loading the model")
            tokenizer, runner = await asyncio.to_thread(self._load_files, path)
        except Exception as error:
            log.exception("the model cannot be served")
            self.failure, self.stage = error, f"failed: {error}"
            return
        self._loaded = self._start(tokenizer, runner)
        self.stage = None
        log.info("ready", model=self.settings.base_name, device=str(runner.device), dtype=str(runner.dtype))

    def get_loaded(self) -> LoadedModel:
        """Return the loaded model. Raises OverloadedError while it loads, ServerError if it never will."""
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
        """Return the adapter of a model, None for the base. Raises ModelNotFoundError if its files are gone."""
        if entry.folder is None:
            return None
        try:
            return await asyncio.to_thread(self.get_loaded().shelf.fetch, entry.folder)
        except AdapterError as error:
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
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.thread.stop)

    def _load_files(self, path: str) -> tuple[Any, ModelRunner]:
        settings = self.settings
        torch.set_num_threads(settings.threads)
        device = choose_device(settings.device)
        dtype = choose_dtype(settings.dtype, device)
        model = load_base(path, dtype, device)
        runner = ModelRunner(model, settings.max_batch_size, settings.context_length)
        return load_tokenizer(path), runner

    def _start(self, tokenizer: Any, runner: ModelRunner) -> LoadedModel:
        settings = self.settings
        thread = EngineThread(
            runner,
            tokenizer,
            find_end_tokens(runner.model, tokenizer),
            batch_size=settings.max_batch_size,
            queue_size=settings.max_queued_sequences,
            chunk_tokens=settings.prefill_chunk_tokens,
            metrics=self.metrics,
        )
        thread.start()
        shelf = AdapterShelf(runner, settings.adapters_in_memory, settings.merged_adapters)
        own_template = tokenizer.chat_template is not None
        return LoadedModel(tokenizer, build_chat_renderer(tokenizer), own_template, runner, shelf, thread)


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """Resolve `auto`: bfloat16 where the processor or GPU multiplies it natively, else float32."""
    if wanted != "auto":
        return DTYPES[wanted]
    if device.type == "cpu":
        fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    else:
        fast = torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def find_end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Return the tokens that end a text, from the generation settings and the tokenizer."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return [token for token in dict.fromkeys([*several, tokenizer.eos_token_id]) if token is not None]
