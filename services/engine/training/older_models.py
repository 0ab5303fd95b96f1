"""Tuned models of earlier versions, whose cards tell no fingerprint, get the built-in base's where that is sure."""

import json
from pathlib import Path
from typing import Any

import structlog

from services.engine.admission.fingerprint import Fingerprint
from services.engine.settings import BUILT_IN_MODEL, EngineSettings
from services.engine.training.job_store import JobStore
from services.engine.training.resume_points import write_whole

log = structlog.get_logger(__name__)

CARD_FILE = "storymill.json"


def stamp_older_models(settings: EngineSettings, jobs: JobStore, fingerprint: Fingerprint) -> None:
    """Write the fingerprint into the cards of models whose job was run on the built-in weights' own folder.

    Those weights have one checksum, so there is no doubt. Of any other folder nobody knows what it held then.
    """
    if settings.model != BUILT_IN_MODEL:
        return
    folder = settings.state_dir.resolve() / "models" / BUILT_IN_MODEL
    for card in settings.adapters_dir.glob(f"*/{CARD_FILE}"):
        try:
            found = json.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and not found.get("fingerprint") and _was_tuned_on(found, folder, jobs):
            content = json.dumps({**found, "fingerprint": fingerprint.to_json()}, ensure_ascii=False, indent=2)
            write_whole(card, f"{content}\n".encode())
            log.info("wrote the base's fingerprint into a model's card", model=found.get("id"))


def _was_tuned_on(card: dict[str, Any], folder: Path, jobs: JobStore) -> bool:
    job = jobs.find(str(card.get("job_id")))
    return job is not None and Path(job.source["base_path"]).resolve() == folder
