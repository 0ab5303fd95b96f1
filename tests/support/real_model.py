"""The real Gemma weights for tests, converted once into the checkout's cache folder."""

from pathlib import Path

from services.engine.settings import EngineSettings
from services.engine.weights.prepare import prepare_model

CACHE = Path(__file__).parents[2] / ".cache" / "engine"


def prepare_real_model() -> Path:
    """Return the folder of the converted weights; takes about a minute the first time."""
    return Path(prepare_model(EngineSettings(state_dir=CACHE), lambda stage: None))
