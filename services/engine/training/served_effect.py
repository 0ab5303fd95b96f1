"""The last step of a job: serves the written adapter, and looks whether it does what it did in training."""

from pathlib import Path
from typing import Any

from services.engine.model.adapter import load_adapter
from services.engine.model.runner import ModelRunner
from services.engine.model.switchboard import check_adapter_fits
from services.engine.training.effect import Effect, EffectError, check_effect, measure_served


def check_served(peft_model: Any, folder: Path, effect: Effect) -> None:
    """Take the adapter off the model and serve it from `folder`. The model cannot be trained afterwards.

    Raises: AdapterError when serving cannot apply the adapter, EffectError when it changes nothing or does something
    else than in training.
    """
    base = peft_model.unload().eval()
    runner = ModelRunner(base, slots=1, context_length=len(effect.tokens), packed=False)
    adapter = load_adapter(folder, runner.dtype, runner.device)
    check_adapter_fits(adapter, runner.linears)
    if not any(bool(pair.up.any()) for pair in adapter.pairs.values()):
        raise EffectError("training has changed nothing")
    served_base = measure_served(runner, effect.tokens, None)
    check_effect(effect, served_base, measure_served(runner, effect.tokens, adapter), runner.dtype)
