"""Trains one step in a process of its own and prints, as JSON, the bytes estimated and the growth of its peak memory.

`python -m tests.support.memory_probe FOLDER TOKENS CHECKPOINTED`; the folder holds a model with an adapter to come.
"""

import json
import re
import sys
from pathlib import Path

import psutil
import torch

from services.engine.model.load import load_base
from services.engine.training.completion_loss import ROWS_PER_CHUNK
from services.engine.training.encoding import TrainingSequence
from services.engine.training.kept_values import measure_kept
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.memory import estimate_memory
from services.engine.training.objective import CompletionObjective
from services.engine.training.tunable_model import LoraShape, attach_new_adapter


def make_sequence(tokens: int) -> TrainingSequence:
    """All tokens but the first are learned."""
    return TrainingSequence([5 + place % 90 for place in range(tokens)], [place > 0 for place in range(tokens)])


def read_peak_rss() -> int:
    """Return the most bytes this process has held. Not `ru_maxrss`: a child inherits that of the process that started
    it, and a test runner is larger than what is measured here."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024


def main(folder: str, tokens: int, *, checkpointed: bool) -> None:
    """Warm up on a short row, so that what libraries allocate once is there before the measurement begins."""
    torch.set_num_threads(1)
    model = attach_new_adapter(load_base(folder, torch.float32, "cpu"), LoraShape(8, 16), seed=1, padding_token=0)
    kept = measure_kept(model.causal_model)
    if checkpointed:
        model.checkpoint_gradients()
    plan = TrainingPlan(epochs=1, batch_size=1, learning_rate=1e-4, seed=1)
    list(TrainingLoop(model, CompletionObjective(), [make_sequence(16)], plan).steps())
    estimate = estimate_memory(
        model.causal_model, kept, tokens=tokens, head_rows=ROWS_PER_CHUNK, checkpointed=checkpointed
    )
    before = psutil.Process().memory_info().rss
    list(TrainingLoop(model, CompletionObjective(), [make_sequence(tokens)], plan).steps())
    moving = estimate.kept + estimate.passing + estimate.head
    measured = read_peak_rss() - before
    print(json.dumps({"least": moving, "most": moving + estimate.head_copy, "measured": measured}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), checkpointed=sys.argv[3] == "True")
