"""Writes a family's model and a tokenizer into a folder."""

from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedTokenizerFast

from tests.support.tiny_models.families import BY_NAME, Family
from tests.support.tiny_models.tokenizers import build_plain_tokenizer

# The spread of what biases and norms get on top: zeros and ones would hide that one of them is not applied.
VECTOR_SPREAD = 0.1


def build_family(
    name: str, folder: Path, seed: int = 0, tokenizer: PreTrainedTokenizerFast | None = None, **changes: Any
) -> Path:
    """Write the family's random model and its tokenizer into `folder` and return it.

    The same seed gives the same weights. `changes` go into the configuration.
    """
    tokenizer = tokenizer or build_plain_tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    build_model(BY_NAME[name], tokenizer, seed, **changes).save_pretrained(folder)
    return folder


def build_model(family: Family, tokenizer: PreTrainedTokenizerFast, seed: int = 0, **changes: Any) -> Any:
    """Return the family's random model, in float32 and evaluation mode."""
    values = {
        **family.values(),
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **changes,
    }
    config = CONFIG_MAPPING[family.model_type](**values)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.add_(torch.randn_like(parameter) * VECTOR_SPREAD)
    return model
