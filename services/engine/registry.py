"""The models that clients can name: the base, aliases, and the tuned models found on disk.

A tuned model is a folder with a PEFT adapter and a `storymill.json`; it exists as long as its folder does.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from services.engine.errors import ModelNotFoundError, PermissionDeniedError
from services.engine.settings import EngineSettings

log = structlog.get_logger(__name__)

CARD_FILE = "storymill.json"


@dataclass(frozen=True)
class ModelEntry:
    """A model as clients see it. `folder` is the adapter's; None for the base model."""

    id: str
    base: str
    created: int = 0
    owned_by: str = "storymill"
    folder: Path | None = None
    kind: str = "base"
    parent: str | None = None
    job_id: str | None = None
    # The dataset's contract, if the model was tuned with one: separator after the prompt, stop of the answer.
    template: dict[str, Any] = field(default_factory=dict)
    shipped: bool = False


class ModelRegistry:
    """Looks at the disk at every question, so folders may come and go."""

    def __init__(self, settings: EngineSettings) -> None:
        self.base_name = settings.base_name
        self._aliases = settings.aliases
        self._adapters_dir = settings.adapters_dir
        self._shipped_dir = settings.shipped_adapters_dir
        self._cards: dict[Path, tuple[int, ModelEntry | None]] = {}

    def list_models(self) -> list[ModelEntry]:
        """All models, aliases under their own names; newest tuned models last."""
        tuned = self._scan()
        named = {entry.id: entry for entry in [ModelEntry(self.base_name, self.base_name), *tuned]}
        for alias in self._aliases:
            if alias not in named and (entry := self.find_model(alias)) is not None:
                named[alias] = ModelEntry(alias, entry.base, entry.created, entry.owned_by, kind="alias")
        return list(named.values())

    def find_model(self, model_id: str) -> ModelEntry | None:
        """Return the model behind a name, aliases resolved; None if there is none."""
        if model_id == self.base_name:
            return ModelEntry(self.base_name, self.base_name)
        for entry in self._scan():
            if entry.id == model_id:
                return entry
        target = self._aliases.get(model_id)
        if target is None:
            return None
        found = None if target in self._aliases else self.find_model(target)
        return found or ModelEntry(self.base_name, self.base_name)

    def get_model(self, model_id: str) -> ModelEntry:
        """As find_model. Raises ModelNotFoundError."""
        entry = self.find_model(model_id)
        if entry is None:
            raise ModelNotFoundError(model_id)
        return entry

    def delete_tuned(self, model_id: str) -> None:
        """Remove a tuned model from disk. Raises ModelNotFoundError, PermissionDeniedError for all others."""
        entry = next((entry for entry in self._scan() if entry.id == model_id), None)
        if entry is None or entry.shipped or entry.folder is None:
            self.get_model(model_id)
            raise PermissionDeniedError(f"The model '{model_id}' is part of the engine and cannot be deleted.")
        gone = entry.folder.with_name(f".deleted-{entry.folder.name}")
        entry.folder.rename(gone)  # at once, whatever happens to the removal
        shutil.rmtree(gone, ignore_errors=True)

    def _scan(self) -> list[ModelEntry]:
        entries = []
        for directory, shipped in ((self._shipped_dir, True), (self._adapters_dir, False)):
            folders = sorted(directory.iterdir()) if directory.is_dir() else []
            found = [self._read_card(folder, shipped=shipped) for folder in folders if folder.name[0] != "."]
            entries += [entry for entry in found if entry is not None]
        return sorted(entries, key=lambda entry: (entry.created, entry.id))

    def _read_card(self, folder: Path, *, shipped: bool) -> ModelEntry | None:
        card = folder / CARD_FILE
        try:
            changed = card.stat().st_mtime_ns
        except OSError:
            return None
        known = self._cards.get(folder)
        if known is None or known[0] != changed:
            known = self._cards[folder] = (changed, self._parse_card(card, shipped))
        return known[1]

    def _parse_card(self, card: Path, shipped: bool) -> ModelEntry | None:
        try:
            data = json.loads(card.read_text(encoding="utf-8"))
            if data["base"] != self.base_name:
                return None
            return ModelEntry(
                id=data["id"],
                base=data["base"],
                created=int(data.get("created") or 0),
                owned_by="storymill" if shipped else "user",
                folder=card.parent,
                kind=data.get("kind", "model"),
                parent=data.get("parent"),
                job_id=data.get("job_id"),
                template=data.get("template") or {},
                shipped=shipped,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("unreadable model card", card=str(card), error=str(error))
            return None
