"""Reads a LoRA adapter folder as PEFT writes it; knows nothing of batches."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import PeftConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from services.engine.model.kernel import Product

WEIGHTS_FILE = "adapter_model.safetensors"
KEY_PREFIX = "base_model.model."


class AdapterError(Exception):
    """The folder holds no LoRA adapter that this engine can apply; the message says why."""


@dataclass
class LowRankPair:
    """What an adapter adds to one linear layer: x @ down @ up, the scale already in `up`."""

    down: Tensor  # in_features x rank
    up: Tensor  # rank x out_features


@dataclass
class Adapter:
    """One adapter in memory. `merged` holds products with base and adapter in one weight, or is None."""

    folder: Path
    pairs: dict[str, LowRankPair]
    merged: dict[str, Product] | None = field(default=None)
    used_at: float = 0.0  # on the monotonic clock


def load_adapter(folder: Path, dtype: torch.dtype, device: torch.device) -> Adapter:
    """Read the adapter's weights. Raises AdapterError, also when the folder is gone."""
    try:
        config = PeftConfig.from_pretrained(str(folder))
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise AdapterError(f"{folder.name}: {error}") from error
    _check_supported(folder, config)
    names = {key.removeprefix(KEY_PREFIX).rsplit(".lora_", 1)[0] for key in tensors}
    pairs = {}
    for name in sorted(names):
        down, up = (tensors.get(f"{KEY_PREFIX}{name}.lora_{side}.weight") for side in "AB")
        if down is None or up is None:
            raise AdapterError(f"{folder.name}: {name} is no plain LoRA pair")
        scaled = up.float() * _find_scale(config, name, down.shape[0])
        pairs[name] = LowRankPair(down.to(device, dtype).t().contiguous(), scaled.to(device, dtype).t().contiguous())
    return Adapter(folder, pairs)


def _check_supported(folder: Path, config: PeftConfig) -> None:
    kind = getattr(config.peft_type, "value", config.peft_type)
    refused = [name for name in ("use_dora", "modules_to_save", "fan_in_fan_out") if getattr(config, name, None)]
    if kind != "LORA" or refused or getattr(config, "bias", "none") != "none":
        raise AdapterError(f"{folder.name}: only plain LoRA adapters are served ({kind} {' '.join(refused)})")


def _find_scale(config: PeftConfig, name: str, rank: int) -> float:
    alphas = config.alpha_pattern or {}
    alpha = next((value for suffix, value in alphas.items() if name.endswith(suffix)), config.lora_alpha)
    return float(alpha / (rank**0.5 if config.use_rslora else rank))
