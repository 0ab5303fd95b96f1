"""Writes an adapter folder that serving can load: PEFT's two files and `storymill.json`."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save

from services.engine.admission.fingerprint import Fingerprint
from services.engine.training.resume_points import sync_folder, write_whole
from services.engine.training.tunable_model import TunableModel


@dataclass(frozen=True)
class ModelCard:
    """What `storymill.json` says of an adapter."""

    id: str
    base: str
    parent: str | None
    created: int
    job_id: str | None
    kind: Literal["model", "checkpoint"]
    template: dict[str, str] = field(default_factory=dict)
    """`separator` and `stop` of the training data, if known: chats are then asked in that form."""
    fingerprint: Fingerprint | None = None
    """Of the base; without it nobody serves the adapter."""
    effect: dict[str, Any] | None = None
    """What the adapter does to a probe, measured in training: serving looks whether it still does."""


def publish_adapter(
    model: TunableModel,
    folder: Path,
    card: ModelCard,
    dtype: torch.dtype = torch.float32,
    check: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write the adapter as `folder`, replacing what an earlier try left there.

    The folder appears complete: it is written beside its place, handed to `check`, and renamed. Raises: OSError, and
    what `check` raises; nothing is published then.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _write_files(model, partial, card, dtype)
        check(partial)
    except Exception:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(partial, folder)
    sync_folder(folder.parent)  # the job is told to have succeeded: its model must outlive a power cut


def _write_files(model: TunableModel, folder: Path, card: ModelCard, dtype: torch.dtype) -> None:
    weights = {name: value.to(dtype).contiguous() for name, value in model.adapter_weights().items()}
    write_whole(folder / "adapter_model.safetensors", save(weights, metadata={"format": "pt"}))
    _write_json(folder / "adapter_config.json", _adapter_config(model, card))
    _write_json(folder / "storymill.json", asdict(card))


def _adapter_config(model: TunableModel, card: ModelCard) -> dict[str, Any]:
    config: dict[str, Any] = model.peft_model.peft_config["default"].to_dict()
    # The folder the base was loaded from says nothing to a reader on another machine.
    config["base_model_name_or_path"] = card.base if card.fingerprint is None else f"{card.base}@{card.fingerprint}"
    config["inference_mode"] = True
    return {name: _plain(value) for name, value in sorted(config.items())}


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "value", value)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
