"""`python -m services.engine.admission FOLDER`: the probe of a base, in words, or as JSON with --json.

It does what a start of the engine does, and then tunes the model for ten steps, serves the result and compares.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from services.engine.admission.admit import RECORDS, admit_base
from services.engine.admission.record import AdmissionRecord, write_record
from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.tuning_trial import try_tuning
from services.engine.model.adapter import AdapterError
from services.engine.model.load import choose_device
from services.engine.serving import choose_dtype
from services.engine.settings import EngineSettings
from services.engine.training.effect import EffectError


def main(arguments: list[str] | None = None) -> int:
    """Print the record; 1 and the reason on stderr if the base is refused."""
    parser = argparse.ArgumentParser(prog="python -m services.engine.admission", description=__doc__)
    parser.add_argument("folder", help="a model's folder, or a hub id")
    parser.add_argument("--json", action="store_true", help="print the whole record as JSON")
    parser.add_argument("--state-dir", type=Path, help="where to keep the record (default: nowhere)")
    options = parser.parse_args(arguments)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    settings = EngineSettings()
    torch.set_num_threads(settings.threads)
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    with tempfile.TemporaryDirectory() as nowhere:
        try:
            base = admit_base(
                options.folder,
                options.state_dir or Path(nowhere),
                dtype,
                device,
                slots=min(4, settings.max_batch_size),
                context_length=settings.context_length,
                report=_say,
                test_again=True,
            )
            record = base.record
            del base  # before the model is loaded once more, to be tuned
            if record.adapter_targets:
                _say("tuning the model for a few steps")
                record = replace(record, tuning_test=try_tuning(Path(record.folder), dtype, device, Path(nowhere)))
                write_record(record, options.state_dir / RECORDS if options.state_dir else Path(nowhere))
        except (BaseRefusedError, AdapterError, EffectError) as error:
            _say(f"refused: {error}")
            return 1
    shown = json.dumps(record.to_json(), ensure_ascii=False, indent=2) if options.json else describe(record)
    sys.stdout.write(shown + "\n")
    return 0


def describe(record: AdmissionRecord) -> str:
    """Return the record in lines for a person."""
    dialect, test = record.dialect, record.self_test
    takes = [name for name, key in (("a system role", "system_role"), ("tools", "tools")) if dialect[key]]
    template = "its own" if dialect["own_template"] else "none, a plain one is used"
    lines = [
        f"{Path(record.folder).name} can be served ({record.fingerprint})",
        f"architecture  {record.architecture}, {record.parameters:,} parameters",
        f"context       {f'{record.context_length:,} tokens' if record.context_length else 'without bound'}",
        f"template      {template}; takes {' and '.join(takes) or 'users and assistants only'}; "
        f"thinking: {dialect['thinking']}",
        f"ends with     {', '.join(map(str, record.end_tokens))}",
        f"tunes         {', '.join(record.adapter_targets) or 'nothing: it has no layers that an adapter fits on'}",
        f"left alone    {', '.join(record.left_alone) or 'nothing'}",
        f"self-test     {test['error']:.2g} of the spread from a plain pass ({test['dtype']}, {test['device']})",
        *_describe_tuning(record.tuning_test),
        *(f"warning       {warning}" for warning in record.warnings),
    ]
    return "\n".join(lines)


def _describe_tuning(test: dict[str, Any]) -> list[str]:
    if not test:
        return []
    return [
        f"tuning test   loss {test['first_loss']:.3g} → {test['last_loss']:.3g} in {test['steps']} steps; "
        f"served as trained (moves the probe by {test['effect']:.2g} nats)"
    ]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
