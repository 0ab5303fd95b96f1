"""How often a provider goes through the rows when a job leaves that to it (`n_epochs: auto`)."""

import math
from typing import Final

from shared.outside.providers.configuration import ENGINE

USUAL_EPOCHS: Final = 3
USUAL_EPOCHS_OF_THE_ENGINE: Final = 4
"""Its models are small; see services/engine/training/hyperparameters.py, which this follows."""
FEWEST_EXAMPLES_SEEN: Final = 100
MOST_EXAMPLES_SEEN: Final = 25_000
MOST_EPOCHS: Final = 25


def choose_epochs(provider: str, rows: int) -> int:
    """Return the usual number, more for few rows, fewer for very many: the bounds of OpenAI's published data checks."""
    usual = USUAL_EPOCHS_OF_THE_ENGINE if provider == ENGINE else USUAL_EPOCHS
    if rows * usual < FEWEST_EXAMPLES_SEEN:
        needed = FEWEST_EXAMPLES_SEEN / max(1, rows)
        return min(MOST_EPOCHS, math.ceil(needed) if provider == ENGINE else math.floor(needed))
    if rows * usual > MOST_EXAMPLES_SEEN:
        return max(1, MOST_EXAMPLES_SEEN // rows)
    return usual
