"""Keeps the adapters used last in memory, the very last ones also merged into copies of the weights."""

import threading
import time
from collections import OrderedDict
from pathlib import Path

import structlog

from services.engine.model.adapter import WEIGHTS_FILE, Adapter, AdapterError, load_adapter
from services.engine.model.kernel import Product
from services.engine.model.runner import ModelRunner
from services.engine.model.switchboard import check_adapter_fits, merge_adapter

log = structlog.get_logger(__name__)

IDLE_SECONDS = 30.0
"""An adapter not asked for that long gives its merged weights up to another."""


class AdapterShelf:
    """Bounded: `size` adapters (15 MB each for Gemma, rank 16), `merged` of them with merged weights (200 MB)."""

    def __init__(self, runner: ModelRunner, size: int, merged: int) -> None:
        self._runner = runner
        self._size = size
        self._merged = merged
        self._adapters: OrderedDict[tuple[Path, int], Adapter] = OrderedDict()
        self._lock = threading.Lock()

    def fetch(self, folder: Path) -> Adapter:
        """Return the folder's adapter, read at first use and when its file has changed.

        Takes about a second when it reads; call it outside the event loop. Raises: AdapterError when the folder
        is gone, holds no plain LoRA adapter, or one for another base.
        """
        with self._lock:
            try:
                key = (folder, (folder / WEIGHTS_FILE).stat().st_mtime_ns)
            except OSError as error:
                raise AdapterError(f"{folder.name} is gone") from error
            adapter = self._adapters.get(key) or self._read(folder)
            self._adapters[key] = adapter
            self._adapters.move_to_end(key)
            self._trim(adapter)
            return adapter

    def _read(self, folder: Path) -> Adapter:
        adapter = load_adapter(folder, self._runner.dtype, self._runner.device)
        check_adapter_fits(adapter, self._runner.linears)
        return adapter

    def _trim(self, used: Adapter) -> None:
        while len(self._adapters) > self._size:
            self._adapters.popitem(last=False)[1].merged = None
        used.used_at = time.monotonic()
        if self._merged and used.merged is None and self._make_merged_place():
            used.merged = self._merge(used)

    def _merge(self, adapter: Adapter) -> dict[str, Product] | None:
        """Return the merged weights, or None where there is no memory for them: then it is applied as it is."""
        try:
            return merge_adapter(adapter, self._runner.linears)
        except (MemoryError, RuntimeError) as error:
            self._merged = 0
            log.warning("no memory for merged weights; adapters are applied unmerged", error=str(error)[:200])
            return None

    def _make_merged_place(self) -> bool:
        """Merging takes a second: do not do it in turn for adapters that are all in use."""
        merged = [adapter for adapter in self._adapters.values() if adapter.merged is not None]
        if len(merged) < self._merged:
            return True
        if time.monotonic() - merged[0].used_at < IDLE_SECONDS:
            return False
        merged[0].merged = None
        return True
