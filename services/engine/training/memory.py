"""Says before a run whether its memory is there: a clear error instead of a process killed half-way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

# What a run takes beyond the rest below: mostly the holes that steps of different lengths leave in the heap. A run
# over 360-token examples began with 1.9 GB and stood at 3.6 to 3.9 GB after 18 minutes.
RUNTIME_BYTES = 1500 * 1024**2
# Adapter, gradient, two moments, and a copy while saving: float32 each.
COPIES_OF_ADAPTER = 6
# Values kept per token and layer for the backward pass, in units of the layer's widths. For Gemma 3 270M this makes
# 1.9 MB per token; between 350 and 1,400 tokens 1.4 MB were measured.
KEPT_HIDDEN_WIDTHS = 24
KEPT_INNER_WIDTHS = 10
BYTES_PER_KEPT_VALUE = 3  # bfloat16 and float32 mixed
# Logits of a chunk and the pieces of its softmax.
HEAD_BYTES_PER_ENTRY = 6
CONTROL_GROUP = Path("/sys/fs/cgroup")


class InsufficientMemoryError(Exception):
    """The run would not fit; the message says what it needs and what there is."""


@dataclass(frozen=True)
class ModelSize:
    """The figures of a model that memory depends on."""

    weight_bytes: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int

    @classmethod
    def from_config(cls, config: Any, weight_bytes: int) -> "ModelSize":
        """Read the sizes from a transformers configuration."""
        text = config.get_text_config()
        hidden = text.hidden_size
        inner = getattr(text, "intermediate_size", None) or 4 * hidden
        return cls(weight_bytes, text.num_hidden_layers, hidden, inner, text.vocab_size)


def estimate_bytes(size: ModelSize, tokens_per_pass: int, rows_per_chunk: int, lora_rank: int) -> int:
    """Estimate the trainer's peak memory for passes of up to `tokens_per_pass` tokens."""
    per_token = size.layers * (KEPT_HIDDEN_WIDTHS * size.hidden + KEPT_INNER_WIDTHS * size.inner)
    activations = tokens_per_pass * per_token * BYTES_PER_KEPT_VALUE
    head = min(rows_per_chunk, tokens_per_pass) * size.vocabulary * HEAD_BYTES_PER_ENTRY
    adapter = size.layers * lora_rank * (8 * size.hidden + 6 * size.inner) * 4 * COPIES_OF_ADAPTER
    return RUNTIME_BYTES + size.weight_bytes + activations + head + adapter


def check_memory(needed_bytes: int, limit_bytes: int, device: torch.device) -> None:
    """Compare with what is free, or with `limit_bytes` if set. Raises InsufficientMemoryError."""
    there = free_bytes(device)
    if limit_bytes:
        there = min(there, limit_bytes)
    if needed_bytes > there:
        raise InsufficientMemoryError(
            f"Training needs about {_in_mib(needed_bytes)} of memory, but {_in_mib(there)} are free. "
            "Shorten the longest examples, stop other processes, or use a smaller model."
        )


def free_bytes(device: torch.device) -> int:
    """Memory free for a new process: on the GPU, or the smaller of the machine's and the control group's."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = int(psutil.virtual_memory().available)
    try:
        limit = (CONTROL_GROUP / "memory.max").read_text().strip()
        used = int((CONTROL_GROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return available
    return available if limit == "max" else min(available, int(limit) - used)


def _in_mib(count: int) -> str:
    return f"{count // 1024**2:,} MiB"
