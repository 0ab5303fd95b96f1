"""Reads a LoRA adapter folder as PEFT writes it; knows nothing of batches."""

import re
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
REFUSED_FIELDS = (
    *("use_dora", "modules_to_save", "fan_in_fan_out", "lora_bias", "target_parameters", "trainable_token_indices"),
    *("alora_invocation_tokens", "layer_replication", "use_qalora", "use_bdlora", "arrow_config"),
)
"""What changes the sum that an adapter adds, beyond x @ down @ up."""


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
    # Whether its effect was found to be what training measured.
    checked: bool = False


def load_adapter(folder: Path, dtype: torch.dtype, device: torch.device) -> Adapter:
    """Read the adapter's weights. Raises: AdapterError when the folder is gone or holds no plain LoRA pairs."""
    try:
        config = PeftConfig.from_pretrained(str(folder))
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise AdapterError(f"{folder.name}: {error}") from error
    _check_supported(folder, config)
    names = {key.removeprefix(KEY_PREFIX).rsplit(".lora_", 1)[0] for key in tensors}
    strange = set(tensors) - {f"{KEY_PREFIX}{name}.lora_{side}.weight" for name in names for side in "AB"}
    if strange or not tensors:
        raise AdapterError(f"{folder.name}: holds no plain LoRA pairs alone ({min(strange, default='no tensors')})")
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
    refused = [name for name in REFUSED_FIELDS if getattr(config, name, None)]
    if kind != "LORA" or refused or getattr(config, "bias", "none") != "none":
        raise AdapterError(f"{folder.name}: only plain LoRA adapters are served ({kind} {' '.join(refused)})")


def _find_scale(config: PeftConfig, name: str, rank: int) -> float:
    # PEFT's rule: a key is a pattern for the end of the name, and the first that fits counts.
    alphas = config.alpha_pattern or {}
    fitting = (value for key, value in alphas.items() if re.match(rf"(.*\.)?({key})$", name))
    alpha = next(fitting, config.lora_alpha)
    return float(alpha / (rank**0.5 if config.use_rslora else rank))
