"""Which base model the engine serves: for one run by `up --model`, or for every run, kept in the state directory."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from storymill.launcher.atomic_file import write_file
from storymill.launcher.errors import StateDirError

FILE_NAME = "engine-model.json"


@dataclass(frozen=True)
class EngineModel:
    """A model's folder or hub id, and what clients call it; an empty name means the folder's last part."""

    model: str
    name: str = ""


def keep_engine_model(root: Path, chosen: EngineModel) -> None:
    """Let every later `up` on this state directory serve the model. Raises: StateDirError when the choice cannot be
    written; OSError when the directory cannot be made."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(root / FILE_NAME, json.dumps(asdict(chosen)) + "\n")


def find_engine_model(root: Path) -> EngineModel | None:
    """Return the model that was kept, or None. Raises StateDirError for a file that says nothing."""
    path = root / FILE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return EngineModel(str(found["model"]), str(found.get("name") or ""))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateDirError(f"{path} cannot be read: name the model again with `storymill models add`.") from error


def build_model_environment(root: Path, wanted: str | None) -> dict[str, str]:
    """Return the engine's variables: of the model wanted for this run, else of the kept one, else none."""
    chosen = EngineModel(wanted) if wanted is not None else find_engine_model(root)
    if chosen is None:
        return {}
    named = {"STORYMILL_ENGINE_MODEL_NAME": chosen.name} if chosen.name or wanted is not None else {}
    return {"STORYMILL_ENGINE_MODEL": chosen.model, **named}
