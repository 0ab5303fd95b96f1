"""Tries a base in 32 bits before it is tried in the 16 that it is served in: what is wrong there is no rounding."""

from pathlib import Path

import torch

from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.self_test import LARGEST_ERROR, compare, take_reference
from services.engine.admission.serving_memory import check_room_for_weights
from services.engine.model.load import load_base
from services.engine.model.runner import ModelRunner

PROBE_COLUMNS = 1024
"""More than the longest probe text."""


def is_right_in_full(folder: Path, dtype: torch.dtype, device: torch.device) -> bool:
    """Say whether the engine's sums on these weights are a plain pass's, where 16 bits could not tell; False where that
    is not known, since 32 bits find no room. Raises: BaseRefusedError when they are wrong."""
    if dtype in LARGEST_ERROR:
        return False
    try:
        check_room_for_weights(folder, torch.float32, device)
    except BaseRefusedError:
        return False
    base = load_base(folder, torch.float32, device)
    reference = take_reference(base)
    compare(ModelRunner(base, len(reference.texts), PROBE_COLUMNS), reference)
    return True
