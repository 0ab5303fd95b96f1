"""The models that clients can name: the base, aliases, and the tuned models found on disk.

A tuned model is a folder with a PEFT adapter and a `storymill.json`; it exists as long as its folder does. It can be
asked only on the base that it was tuned on, known by its fingerprint: names of bases say nothing.
"""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from services.engine.admission.fingerprint import Fingerprint
from services.engine.errors import ModelNotFoundError, ModelUnavailableError, PermissionDeniedError
from services.engine.settings import BUILT_IN_MODEL, EngineSettings
from services.engine.training.effect import Effect

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
    # Of the base that it was tuned on; None if its card tells none.
    fingerprint: Fingerprint | None = None
    # What its adapter does to a probe, measured in training.
    effect: Effect | None = None
    # Why it cannot be asked now, in a sentence.
    unavailable: str | None = None


class ModelRegistry:
    """Looks at the disk at every question, so folders may come and go."""

    def __init__(self, settings: EngineSettings) -> None:
        self.base_name = settings.base_name
        # Of the base in memory; None until it is there.
        self.base_fingerprint: Fingerprint | None = None
        self._aliases = settings.aliases
        self._adapters_dir = settings.adapters_dir
        self._shipped_dir = settings.shipped_adapters_dir
        self._cards: dict[Path, tuple[int, ModelEntry | None]] = {}

    def list_models(self) -> list[ModelEntry]:
        """All models, aliases under their own names; newest tuned models last. Some may be unavailable."""
        tuned = self._scan()
        named = {entry.id: entry for entry in [*tuned, *(entry for entry in tuned if entry.unavailable is None)]}
        named = {self.base_name: self._base(), **named, self.base_name: self._base()}
        for alias in self._aliases:
            if alias not in named and (entry := self.find_model(alias)) is not None:
                named[alias] = ModelEntry(
                    alias, entry.base, entry.created, entry.owned_by, kind="alias", unavailable=entry.unavailable
                )
        return list(named.values())

    def find_model(self, model_id: str) -> ModelEntry | None:
        """Return the model behind a name, aliases resolved; None if there is none. It may be unavailable."""
        if model_id == self.base_name:
            return self._base()
        found = [entry for entry in self._scan() if entry.id == model_id]
        if found:
            return next((entry for entry in found if entry.unavailable is None), found[0])
        target = self._aliases.get(model_id)
        return None if target is None or target in self._aliases else self._follow_alias(model_id, target)

    def get_model(self, model_id: str) -> ModelEntry:
        """As find_model. Raises: ModelNotFoundError for an unknown name, ModelUnavailableError for one that cannot be
        asked now."""
        entry = self.find_model(model_id)
        if entry is None:
            raise ModelNotFoundError(model_id)
        if entry.unavailable is not None:
            raise ModelUnavailableError(entry.unavailable)
        return entry

    def _base(self) -> ModelEntry:
        return ModelEntry(self.base_name, self.base_name, fingerprint=self.base_fingerprint)

    def _follow_alias(self, alias: str, target: str) -> ModelEntry:
        """The built-in model's name stands for the base, whichever is served; any other for that very model."""
        if target == BUILT_IN_MODEL:
            return self._base()
        reason = f"'{alias}' stands for '{target}', which is not there: change STORYMILL_ENGINE_ALIASES."
        found = self.find_model(target)
        if found is None:
            return ModelEntry(alias, self.base_name, kind="alias", unavailable=reason)
        if found.unavailable is not None:
            return replace(found, unavailable=f"'{alias}' stands for '{target}'. {found.unavailable}")
        return found

    def delete_tuned(self, model_id: str) -> None:
        """Remove a tuned model from disk. Raises: ModelNotFoundError for an unknown name, PermissionDeniedError for the
        base, an alias or a shipped model."""
        entry = next((entry for entry in self._scan() if entry.id == model_id), None)
        if entry is None or entry.shipped or entry.folder is None:
            if self.find_model(model_id) is None:
                raise ModelNotFoundError(model_id)
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
        entry = known[1]
        return None if entry is None else replace(entry, unavailable=self._find_obstacle(entry))

    def _find_obstacle(self, entry: ModelEntry) -> str | None:
        """Say why the model cannot be asked on the base that is served; None while that is still being loaded."""
        served = self.base_fingerprint
        if entry.base != self.base_name and (entry.fingerprint is None or entry.fingerprint != served):
            return (
                f"The model '{entry.id}' was tuned on '{entry.base}', and this engine serves '{self.base_name}': "
                "ask an engine that serves its base."
            )
        if served is None or entry.fingerprint == served:
            return None
        if entry.fingerprint is None:
            return (
                f"The model '{entry.id}' does not say which weights it was tuned on: if they are those that are served "
                f'now, add "fingerprint": {json.dumps(served.to_json())} to its {CARD_FILE}.'
            )
        parts = " and ".join(served.name_differences(entry.fingerprint))
        return (
            f"The model '{entry.id}' was tuned on another base of the same name (other {parts}: {entry.fingerprint}, "
            f"served is {served}): put that base back, or tune it again."
        )

    def _parse_card(self, card: Path, shipped: bool) -> ModelEntry | None:
        try:
            data = json.loads(card.read_text(encoding="utf-8"))
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
                fingerprint=Fingerprint.from_json(data.get("fingerprint")),
                effect=Effect.from_json(data.get("effect")),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("unreadable model card", card=str(card), error=str(error))
            return None
