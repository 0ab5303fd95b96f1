"""The admission record: what was found out about a base, kept in the state folder by its fingerprint."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.engine.admission.fingerprint import Fingerprint


@dataclass(frozen=True)
class AdmissionRecord:
    """What a base is. `self_test` says under which versions and on what device it was tried, and how far it was off.

    `adapter_targets` are the names of the layers that adapters are put on, `left_alone` of those that stay as they are.
    """

    fingerprint: Fingerprint
    folder: str
    architecture: str
    parameters: int
    context_length: int
    vocabulary: int
    end_tokens: list[int]
    dialect: dict[str, Any]
    adapter_targets: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    self_test: dict[str, Any] = field(default_factory=dict)
    tuning_test: dict[str, Any] = field(default_factory=dict)
    serving_memory: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary; its `id` is the fingerprint's short name."""
        return {"id": str(self.fingerprint), **asdict(self)}


def write_record(record: AdmissionRecord, folder: Path) -> Path:
    """Write the record into `folder`, whole or not at all, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(number, "w", encoding="utf-8") as out:
        json.dump(record.to_json(), out, ensure_ascii=False, indent=2)
    path = folder / f"{record.fingerprint}.json"
    Path(name).replace(path)
    return path


def read_raw_record(folder: Path, fingerprint: Fingerprint) -> dict[str, Any]:
    """Return what an earlier start wrote of this base; an empty dictionary if nothing."""
    try:
        found = json.loads((folder / f"{fingerprint}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
