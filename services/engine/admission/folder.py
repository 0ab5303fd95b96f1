"""What a model's folder says by itself, before any weight is read: refuses what could only be loaded wrongly."""

import json
import os
import struct
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

from services.engine.admission.refusal import BaseRefusedError, name_some

HUB_ANSWER_SECONDS = 10.0
"""How long the hub may take to answer the first question. An unreachable one would hold the start for a minute."""
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
"""What a model folder needs; other formats of the same weights stay at the hub."""
LONGEST_HEADER_BYTES = 100_000_000
"""The header of a safetensors file is at most 100 MB by its format."""
PLAIN_DTYPES = {"F64", "F32", "F16", "BF16"}
"""Of a checkpoint's floating-point tensors. Eight bits and fewer need scales, which plain loading leaves out."""
INDEX_DTYPES = {"I64", "I32", "I16", "BOOL"}
"""Of counters and masks that old checkpoints hold."""


def resolve_folder(model: str) -> Path:
    """Return the folder of a path or hub id, the latter downloaded at first use.

    Raises: BaseRefusedError when there is no such folder and the hub gives no such model.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if model.startswith(("/", ".", "~")) or model.count("/") != 1:
        raise BaseRefusedError(f"There is no folder {model}: name a folder with config.json, or a hub id owner/name.")
    try:
        return Path(snapshot_download(model, local_files_only=True, allow_patterns=HUB_FILES))
    except (LocalEntryNotFoundError, HFValidationError):
        return _download(model)


def _download(model: str) -> Path:
    # Read by the library at every question; its default retries hold an offline start for a minute.
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(int(HUB_ANSWER_SECONDS)))
    try:
        return Path(snapshot_download(model, allow_patterns=HUB_FILES, etag_timeout=HUB_ANSWER_SECONDS))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise BaseRefusedError(
            f"{model} is no folder here, and the hub gave no model of that name "
            f"({_first_line(error)}): check the spelling and the network, or copy the model's folder here and name it."
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json. Raises: BaseRefusedError when it is missing, unreadable or no JSON object."""
    if not (folder / "config.json").exists() and (folder / "adapter_config.json").exists():
        raise BaseRefusedError(f"{folder} holds an adapter, not a base model: name the folder of its base.")
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BaseRefusedError(f"{folder} holds no config.json: it is no model folder.") from error
    except (OSError, ValueError) as error:
        raise BaseRefusedError(f"{folder}/config.json cannot be read ({error}): copy the model again.") from error
    if not isinstance(found, dict):
        raise BaseRefusedError(f"{folder}/config.json is no JSON object: copy the model again.")
    return found


def check_folder(folder: Path) -> list[str]:
    """Refuse what cannot be loaded rightly; return warnings. Reads headers, no weights.

    Raises: BaseRefusedError when the architecture is not one that writes text, or the weights are quantised, not whole
    or an adapter's.
    """
    config = read_config(folder)
    if (folder / "adapter_config.json").exists():
        raise BaseRefusedError(
            f"{folder} holds an adapter beside the weights: take adapter_config.json away from them."
        )
    _check_architecture(folder, config)
    _check_quantisation(folder, config)
    return _check_weight_files(folder)


def find_weight_files(folder: Path) -> list[Path]:
    """Return the files that hold the weights, in order of their names: safetensors, else PyTorch's pickles."""
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        found = [path for path in sorted(folder.glob(pattern)) if not path.name.startswith("adapter_")]
        if found:
            return found
    return []


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return a safetensors file's tensors by name, and where their bytes begin.

    Raises: BaseRefusedError when the header is broken or the file longer or shorter than it says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= min(LONGEST_HEADER_BYTES, size - 8):
            raise BaseRefusedError(f"{path} is no whole safetensors file ({size} bytes): copy it again.")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise BaseRefusedError(f"{path} has a broken header: copy it again.") from error
    header.pop("__metadata__", None)
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if 8 + length + end != size:
        raise BaseRefusedError(f"{path} has {size} bytes where {8 + length + end} belong: copy it again.")
    return header, 8 + length


def _check_architecture(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING:
        own_code = " (it needs code of its own, which is never run)" if config.get("auto_map") else ""
        raise BaseRefusedError(
            f"{folder.name} is of the type {kind!r}, which this version of transformers does not know{own_code}: "
            "choose a model of a known type."
        )
    if config.get("is_encoder_decoder") or CONFIG_MAPPING[kind] not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise BaseRefusedError(
            f"{folder.name} is of the type {kind!r}, which does not write text from left to right: "
            "choose a causal language model."
        )
    known = MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[kind]]
    names = {one.__name__ for one in (known if isinstance(known, tuple | list) else [known])}
    said = config.get("architectures")
    if said and not names & set(said):
        raise BaseRefusedError(
            f"{folder.name} was saved as {name_some(said)}, not as {name_some(sorted(names))}: "
            "its weights were trained for something else than writing text."
        )


def _check_quantisation(folder: Path, config: dict[str, Any]) -> None:
    inner = config.get("text_config")
    said = config.get("quantization_config") or (inner.get("quantization_config") if isinstance(inner, dict) else None)
    if said:
        method = said.get("quant_method") if isinstance(said, dict) else said
        raise BaseRefusedError(
            f"{folder.name} is quantised (quant_method {method!r}), and only plain weights are served exactly: "
            "take the model's bfloat16 folder."
        )


def _check_weight_files(folder: Path) -> list[str]:
    files = find_weight_files(folder)
    if not files:
        raise BaseRefusedError(f"{folder} holds no *.safetensors: copy the weights there.")
    _check_shards(folder, files)
    if files[0].suffix == ".bin":
        return [f"{files[0].name} is a pickle, not safetensors: only its tensors are read; saving it again is faster"]
    for path in files:
        header, _ = read_header(path)
        strange = [
            f"{name} ({entry['dtype']})"
            for name, entry in header.items()
            if entry["dtype"] not in PLAIN_DTYPES | INDEX_DTYPES
        ]
        if strange:
            raise BaseRefusedError(
                f"{path.name} holds tensors of fewer than 16 bits, which mean nothing without their scales "
                f"({name_some(strange)}): take the model's bfloat16 folder."
            )
    return []


def _check_shards(folder: Path, files: list[Path]) -> None:
    there = {path.name for path in files}
    for index in sorted(folder.glob("*.index.json")):
        try:
            wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise BaseRefusedError(f"{index} cannot be read ({error}): copy the model again.") from error
        missing = sorted(wanted - there)
        if missing and Path(missing[0]).suffix == files[0].suffix:
            raise BaseRefusedError(f"{folder} lacks {name_some(missing)}, which {index.name} names: copy them too.")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
