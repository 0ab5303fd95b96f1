"""What serving a base takes, by parts: looked at before the weights are read, and again when they are there."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.kernel import can_pack
from services.engine.model.runner import ModelRunner
from services.engine.training.memory import count_weight_bytes, estimate_weight_bytes, free_bytes

MIB = 1024**2


@dataclass(frozen=True)
class ServingMemory:
    """Bytes. `layout_copy` is of the weights in the processor's favourite layout, `merged_copy` one adapter's."""

    weights: int
    layout_copy: int
    full_cache: int
    merged_copy: int

    def count_merged(self, wanted: int, free: int) -> int:
        """Return how many merged copies fit beside a full cache into what is free, at most those wanted."""
        room = free - self.full_cache
        return max(0, min(wanted, room // max(1, self.merged_copy)))

    def describe(self) -> dict[str, int]:
        """Return the parts in MiB."""
        return {f"{name}_mib": size // MIB for name, size in asdict(self).items()}


def check_room_for_weights(folder: Path, dtype: torch.dtype, device: torch.device) -> None:
    """Refuse a base whose weights alone do not fit. Raises: BaseRefusedError when they take more than is free."""
    needed = estimate_weight_bytes(folder, dtype) * (2 if can_pack(device, dtype) else 1)
    free = free_bytes(device)
    if needed > free:
        raise BaseRefusedError(
            f"The weights of {folder.name} need {needed // MIB:,} MiB as {str(dtype).removeprefix('torch.')} on "
            f"{device.type}, and {free // MIB:,} MiB are free: stop other processes, or choose a smaller model."
        )


def plan_serving(runner: ModelRunner) -> ServingMemory:
    """Return what a loaded runner takes now and may come to take."""
    linears = [linear.weight for linear in runner.linears.values()]
    packed = can_pack(runner.device, runner.dtype)
    head: Any = runner.model.get_output_embeddings()
    copied = [*linears, head.weight] if head is not None else linears
    return ServingMemory(
        weights=count_weight_bytes(runner.model),
        layout_copy=sum(weight.numel() * weight.element_size() for weight in copied) if packed else 0,
        full_cache=runner.cache.column_bytes * runner.cache.slots * runner.context_length,
        merged_copy=sum(weight.numel() * weight.element_size() for weight in linears),
    )
