"""Says before a run whether its memory is there: a clear error instead of a process killed half-way.

The one estimate of the project: by parts, from what the model itself was seen to keep.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from services.engine.admission.folder import find_weight_files, read_header
from services.engine.training.kept_values import KeptBytes

RUNTIME_BYTES = 1500 * 1024**2
"""What a process takes on the CPU beyond the rest below: the libraries (0.5 GB), and the holes that steps of
different lengths leave in the heap. A run over 360-token examples began with 1.9 GB and stood at 3.6 to 3.9 after
18 minutes."""
GPU_RUNTIME_BYTES = 700 * 1024**2
"""On a GPU: the context and the libraries' workspaces."""
COPIES_OF_ADAPTER = 4
"""Weight, gradient and two moments of each number of the adapter, in float32."""
BYTES_PER_ADAPTER_NUMBER = 4
INNER_RESULTS = 3
"""A layer's largest intermediate results while the pass is in it, in units of its inner width: value, gate, product."""
CONTROL_GROUP = Path("/sys/fs/cgroup")
"""Where Linux shows a container its memory limit."""


class InsufficientMemoryError(Exception):
    """The run would not fit; the message says what it needs and what there is."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by what takes them. The head copies its weights only while the model is unsure of every token."""

    weights: int
    adapter: int
    kept: int
    passing: int
    head: int
    head_copy: int
    runtime: int

    @property
    def least(self) -> int:
        """What the run takes in any case."""
        return self.most - self.head_copy

    @property
    def most(self) -> int:
        """What the run may take."""
        return sum(vars(self).values())

    def describe(self) -> str:
        """Return one line for a job's events."""
        parts = ", ".join(f"{name.replace('_', ' ')} {_in_mib(value)}" for name, value in vars(self).items() if value)
        return f"Memory: about {_in_mib(self.least)} to {_in_mib(self.most)} ({parts})"


def estimate_memory(
    causal_model: Any, kept: KeptBytes, *, tokens: int, head_rows: int, checkpointed: bool = False
) -> MemoryEstimate:
    """Estimate the peak of passes of up to `tokens` tokens, `head_rows` of which meet the vocabulary at once."""
    parameters = list(causal_model.parameters())
    numbers = sum(one.numel() for one in parameters if one.requires_grad)
    frozen = sum(one.numel() * one.element_size() for one in parameters if not one.requires_grad)
    size = next(one.element_size() for one in parameters if not one.requires_grad)
    config = causal_model.config.get_text_config()
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    vocabulary = causal_model.get_output_embeddings().weight.shape[0]
    rows = min(head_rows, tokens)
    on_gpu = next(iter(parameters)).device.type == "cuda"
    return MemoryEstimate(
        weights=frozen,
        adapter=numbers * BYTES_PER_ADAPTER_NUMBER * COPIES_OF_ADAPTER,
        kept=kept.at(tokens, checkpointed=checkpointed),
        passing=INNER_RESULTS * inner * tokens * size,
        head=rows * vocabulary * (2 * size + 4),
        head_copy=vocabulary * config.hidden_size * size,
        runtime=GPU_RUNTIME_BYTES if on_gpu else RUNTIME_BYTES,
    )


def check_memory(needed_bytes: int, limit_bytes: int, device: torch.device, held_bytes: int = 0) -> None:
    """Compare with what is free, or with `limit_bytes` if set; `held_bytes` of the need are there already.

    Raises: InsufficientMemoryError when more is needed than is there.
    """
    there = limit_free_bytes(limit_bytes, device, held_bytes)
    if needed_bytes > there:
        raise InsufficientMemoryError(
            f"Training needs about {_in_mib(needed_bytes)} of memory, but {_in_mib(there)} are free. "
            "Shorten the longest examples, stop other processes, or use a smaller model."
        )


def limit_free_bytes(limit_bytes: int, device: torch.device, held_bytes: int = 0) -> int:
    """Return what the run may take: what it holds and what is free, or the limit if that is less."""
    there = free_bytes(device) + held_bytes
    return min(there, limit_bytes) if limit_bytes else there


def count_weight_bytes(model: Any) -> int:
    """Return the bytes of a model's weights as they lie in memory."""
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def estimate_weight_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Return the bytes that a folder's weights will take in this dtype, from the files' headers alone."""
    total = 0
    for path in find_weight_files(folder):
        if path.suffix == ".bin":
            total += path.stat().st_size
            continue
        header, _ = read_header(path)
        total += sum(math.prod(entry["shape"]) for entry in header.values()) * dtype.itemsize
    return total


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
