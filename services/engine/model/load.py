"""Loads a base model and its tokenizer from a folder, for serving and for training: whole and as written, or not."""

import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from services.engine.admission.folder import check_folder, find_weight_files, resolve_folder
from services.engine.admission.refusal import BaseRefusedError, name_some

HARMLESS_TENSORS = re.compile(r"(rotary_emb\.inv_freq|\.masked_bias|\.attn\.bias|\.attention\.bias|position_ids)$")
"""Tables that old checkpoints hold and every library makes by itself from the configuration."""
LONGEST_COMPLAINT = 300
"""Characters of a library's message that are passed on."""
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def choose_device(wanted: str) -> torch.device:
    """Resolve `auto` to CUDA where there is a GPU, else to the CPU; any other name stands as it is."""
    if wanted != "auto":
        return torch.device(wanted)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(path: str | Path, dtype: torch.dtype, device: torch.device | str) -> Any:
    """Load a causal language model in evaluation mode on `device`; no code of the folder is run.

    Raises: BaseRefusedError unless every weight comes from the folder, and every tensor there has its place.
    """
    folder = resolve_folder(str(path))
    check_folder(folder)
    target = torch.device(device)
    # Straight to the device: by way of the machine's memory, a model larger than that could not be loaded.
    place = {} if target.type == "cpu" else {"device_map": {"": target}}
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=find_weight_files(folder)[0].suffix != ".bin",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are reported; they are refused below
            **place,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise BaseRefusedError(f"{folder.name} cannot be loaded ({_shorten(error)}): copy the model again.") from error
    _check_report(folder, report)
    return model.to(target).eval()


def load_tokenizer(path: str | Path) -> Any:
    """Load the tokenizer; afterwards it has an end-of-text and a padding token.

    The end-of-text token is the generation settings' where the tokenizer names none. Raises: BaseRefusedError when
    there is no such folder, the tokenizer cannot be loaded, or neither names an end-of-text token.
    """
    folder = resolve_folder(str(path))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise BaseRefusedError(
            f"The tokenizer of {folder.name} cannot be loaded ({_shorten(error)}): copy tokenizer.json and "
            "tokenizer_config.json beside the weights."
        ) from error
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = _find_end_token(folder, tokenizer)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def read_end_tokens(folder: Path) -> list[int]:
    """Return the end-of-text tokens of the folder's generation settings (or configuration); none is an empty list."""
    try:
        configured = GenerationConfig.from_pretrained(str(folder)).eos_token_id
    except (OSError, ValueError):
        configured = None
    several = configured if isinstance(configured, list) else [configured]
    return [int(token) for token in several if token is not None]


def _find_end_token(folder: Path, tokenizer: Any) -> str:
    for token in read_end_tokens(folder):
        if 0 <= token < len(tokenizer):
            return str(tokenizer.convert_ids_to_tokens(token))
    raise BaseRefusedError(
        f"{folder.name} has no end-of-text token, so no text would end: name it as eos_token in tokenizer_config.json "
        "or as eos_token_id in generation_config.json."
    )


def _check_report(folder: Path, report: dict[str, Any]) -> None:
    """Refuse what the library only warns of: it fills what is missing with random numbers and drops the rest."""
    missing = sorted(report["missing_keys"])
    if missing:
        raise BaseRefusedError(
            f"{folder.name} lacks {len(missing)} tensors that its configuration asks for ({name_some(missing)}): "
            "copy the whole model, or the config.json that belongs to it."
        )
    strange = sorted(name for name in report["unexpected_keys"] if not HARMLESS_TENSORS.search(name))
    if strange:
        raise BaseRefusedError(
            f"{folder.name} holds {len(strange)} tensors that its configuration has no place for "
            f"({name_some(strange)}): copy the config.json that belongs to it."
        )
    shapes = [f"{name} {list(found)} for {list(wanted)}" for name, found, wanted in sorted(report["mismatched_keys"])]
    if shapes:
        raise BaseRefusedError(
            f"{folder.name} holds tensors of other shapes than its configuration says ({name_some(shapes)}): "
            "copy the config.json that belongs to it."
        )


def _shorten(error: BaseException) -> str:
    """The library's message in one line: its first sentence is what happened, the rest advice to programmers."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_COMPLAINT else text[:LONGEST_COMPLAINT].rsplit(" ", 1)[0] + " …"
