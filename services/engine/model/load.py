"""Loads a base model and its tokenizer from a local folder or a hub id, for serving and for training."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def choose_device(wanted: str) -> torch.device:
    """Resolve `auto` to CUDA where there is a GPU, else to the CPU; any other name stands as it is."""
    if wanted != "auto":
        return torch.device(wanted)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(path: str | Path, dtype: torch.dtype, device: torch.device | str) -> Any:
    """Load a causal language model in evaluation mode on `device`; no code of the folder is run."""
    model = AutoModelForCausalLM.from_pretrained(str(path), dtype=dtype, trust_remote_code=False)
    return model.to(device).eval()


def load_tokenizer(path: str | Path) -> Any:
    """Load the tokenizer; afterwards it has a padding token (the end-of-text token where it had none)."""
    tokenizer = AutoTokenizer.from_pretrained(str(path), trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
