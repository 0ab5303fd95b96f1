"""Admits a base: checks folder, weights, tokenizer and what the engine makes of them, and writes the record."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from services.engine.admission.dialect import read_dialect
from services.engine.admission.fingerprint import Fingerprint, read_fingerprint
from services.engine.admission.folder import check_folder, resolve_folder
from services.engine.admission.full_precision import is_right_in_full
from services.engine.admission.record import AdmissionRecord, read_raw_record, write_record
from services.engine.admission.refusal import BaseRefusedError
from services.engine.admission.self_test import SELF_TEST_VERSION, compare, take_reference
from services.engine.admission.serving_memory import ServingMemory, check_room_for_weights, plan_serving
from services.engine.model.linear_names import find_adapter_targets, find_left_alone, shorten_names
from services.engine.model.load import load_base, load_tokenizer, read_end_tokens
from services.engine.model.positions import find_longest_positions
from services.engine.model.runner import ModelRunner

RECORDS = "admission"
"""The folder of records and fingerprints in the state folder."""


@dataclass(frozen=True)
class AdmittedBase:
    """A base in memory, ready to serve, and its record."""

    tokenizer: Any
    runner: ModelRunner
    record: AdmissionRecord
    memory: ServingMemory


def admit_base(
    model: str,
    state_dir: Path,
    dtype: torch.dtype,
    device: torch.device,
    *,
    slots: int,
    context_length: int,
    report: Callable[[str], None] = lambda _: None,
    test_again: bool = False,
) -> AdmittedBase:
    """Load the base for serving if it is whole and computed rightly.

    The self-test is left out when the same base passed it before under the same versions, unless `test_again`.
    Raises: BaseRefusedError when the folder is not whole, does not fit into memory, or fails the self-test.
    """
    folder = resolve_folder(model)
    warnings = check_folder(folder)
    tokenizer = load_tokenizer(folder)
    records = state_dir / RECORDS
    report("taking the weights' fingerprint")
    fingerprint = read_fingerprint(folder, records)
    check_room_for_weights(folder, dtype, device)
    conditions = _describe_conditions(dtype, device)
    known = read_raw_record(records, fingerprint).get("self_test") or {}
    must_test = test_again or any(known.get(name) != value for name, value in conditions.items())
    if must_test:
        report("trying the model in 32 bits")
        only_rounds = is_right_in_full(folder, dtype, device)  # before the base is there: one of them at a time
    report("loading the model")
    base = load_base(folder, dtype, device)
    check_vocabulary(base, tokenizer)
    record = _describe(base, tokenizer, folder, fingerprint, warnings)
    if must_test:
        report("trying the model")
        reference = take_reference(base)
    runner = ModelRunner(base, slots, context_length)
    error = compare(runner, reference, only_rounds=only_rounds) if must_test else known.get("error")
    if not runner.cache.column_bytes:
        runner.run(0, [[0]], [0], [None])  # one token shows what the cache takes
        runner.cache.reset()
    memory = plan_serving(runner)
    test = {**conditions, "error": error}
    record = replace(record, self_test=test, serving_memory=memory.describe())
    write_record(record, records)
    return AdmittedBase(tokenizer, runner, record, memory)


def check_vocabulary(base: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that names tokens which the model has no row for. Raises: BaseRefusedError then."""
    rows = base.get_input_embeddings().weight.shape[0]
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        raise BaseRefusedError(
            f"The tokenizer has tokens up to number {largest}, but the model's embedding has {rows} rows: "
            "take the tokenizer that belongs to the weights, or resize the embedding and save the model."
        )


def find_end_tokens(base: Any, tokenizer: Any) -> list[int]:
    """Return the tokens that end a text, from the generation settings and the tokenizer."""
    configured = base.generation_config.eos_token_id if base.generation_config is not None else None
    several = configured if isinstance(configured, list) else [configured]
    return [token for token in dict.fromkeys([*several, tokenizer.eos_token_id]) if token is not None]


def _describe(
    base: Any, tokenizer: Any, folder: Path, fingerprint: Fingerprint, warnings: list[str]
) -> AdmissionRecord:
    targets = find_adapter_targets(base)
    bounds = find_longest_positions(base.config)
    return AdmissionRecord(
        fingerprint=fingerprint,
        folder=str(folder),
        architecture=type(base).__name__,
        parameters=sum(weight.numel() for weight in base.parameters()),
        context_length=bounds or 0,
        vocabulary=base.get_input_embeddings().weight.shape[0],
        end_tokens=find_end_tokens(base, tokenizer) or read_end_tokens(folder),
        dialect=asdict(read_dialect(tokenizer)),
        adapter_targets=shorten_names(targets, base) if targets else [],
        left_alone=find_left_alone(base, targets),
        warnings=warnings,
    )


def _describe_conditions(dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    return {
        "version": SELF_TEST_VERSION,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else os.uname().machine,
        "dtype": str(dtype).removeprefix("torch."),
    }
