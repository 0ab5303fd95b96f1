"""A preparation from rows to files, without any conversation: what the command line and the worker both run."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from services.preparation.chosen_template import (
    ChosenTemplate,
    contract_of_chat,
    contract_of_pairs,
    contract_of_preference,
)
from services.preparation.conversation.checks import Examination
from services.preparation.conversation.column_profile import PairProfile, profile_pairs
from services.preparation.findings.inspection import Inspection
from services.preparation.fixes.fix_plan import Fix, Plan, apply_plan
from services.preparation.rows.formats import TrainingFormat, to_chat, to_completion
from services.preparation.rows.preference import to_preference
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.rows.training_lines import encode_pairs, encode_records
from services.preparation.split import Split, split_rows

# Fixes that shape prompt-completion text; a chat template does their work.
COMPLETION_ONLY = frozenset(
    {"add_separator", "add_ending", "leading_space", "upper_case_prompt", "upper_case_completion"}
)


@dataclass(frozen=True, slots=True)
class PreparedFiles:
    """What was written; `validation` is None without a split."""

    train: Path
    validation: Path | None
    train_count: int
    validation_count: int


def choose_plan(
    examination: Examination | None, inspection: Inspection, chosen: frozenset[str], target: TrainingFormat
) -> Plan:
    """The recommended fixes of the public tool, then the chosen fixes of findings ("all" chooses every one).

    Findings come first in effect: a fix that repairs text must see the text before separators are added.
    """
    parity = examination.recommended.fixes if examination else ()
    kept = tuple(fix for fix in parity if target == "completion" or fix.code not in COMPLETION_ONLY)
    repairs = tuple(finding_fixes(inspection, chosen))
    taken = {fix.code for fix in kept}
    return Plan(tuple(fix for fix in repairs if fix.code not in taken) + kept)


def finding_fixes(inspection: Inspection, chosen: frozenset[str]) -> Iterator[Fix]:
    """The fixes of the chosen findings."""
    for finding in inspection.findings:
        if finding.fix and (finding.code in chosen or "all" in chosen):
            yield finding.fix


def build_rows(
    store: RowStore, plan: Plan, target: TrainingFormat, is_chat: bool, system: str | None = None
) -> tuple[RowStore, PairProfile | None]:
    """The rows as they will be trained on, in a store of their own; of pairs their profile, from the same walk."""
    batches = apply_plan(store, plan)
    if target == "chat" and not is_chat:
        batches = to_chat(batches, system)
    if target == "completion" and is_chat:
        batches = to_completion(batches)
    if target == "preference":
        batches = to_preference(batches, system)
    final = RowStore()
    stored = _store(batches, final)
    if target == "completion":
        return final, profile_pairs(stored)
    deque(stored, maxlen=0)
    return final, None


def _store(batches: Iterator[RowBatch], final: RowStore) -> Iterator[RowBatch]:
    for batch in batches:
        final.append(batch)
        yield batch


def find_contract(profile: PairProfile | None, target: TrainingFormat) -> ChosenTemplate:
    """Read separator and stop off the profile of the finished rows, which pairs have."""
    if profile is not None:
        return contract_of_pairs(profile)
    return contract_of_preference() if target == "preference" else contract_of_chat()


def split_prepared(
    final: RowStore, inspection: Inspection, share: float, seed: int, strata: str | None = None
) -> Split:
    """Split finished rows; groups of near-duplicates are those found among the source rows."""
    near = _near_positions(final, inspection)
    labels = None
    if strata:
        labels = [v for b in final.batches() for v in (b.extras.get(strata) or b.completions)]
    elif inspection.task_type == "classification":
        labels = [value for batch in final.batches() for value in batch.completions]
    return split_rows(final, share, seed, near, labels)


def _near_positions(final: RowStore, inspection: Inspection) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Near-duplicate groups by position in the finished rows, whose source rows may be gone or doubled."""
    first_seen: dict[int, int] = {}
    positions: list[int] = []
    for batch in final.batches():
        for row_id in batch.ids:
            source_group = int(inspection.near[row_id])
            positions.append(first_seen.setdefault(source_group, len(positions)))
    return np.array(positions, np.int64)


def write_files(
    final: RowStore, target: TrainingFormat, train: Path, validation: Path | None, split: Split | None
) -> PreparedFiles:
    """Write the training file, and the validation file when there is a split."""
    held_out = split.is_validation.tolist() if split else [False] * final.row_count
    with train.open("wb") as train_out:
        if validation is None:
            _write(final.batches(), target, train_out)
        else:
            with validation.open("wb") as validation_out:
                _write_both(final, target, held_out, train_out, validation_out)
    held = sum(held_out) if validation else 0
    return PreparedFiles(train, validation, final.row_count - held, held)


def _write_both(
    final: RowStore, target: TrainingFormat, held_out: list[bool], train: IO[bytes], validation: IO[bytes]
) -> None:
    start = 0
    for batch in final.batches():
        sides = held_out[start : start + len(batch)]
        start += len(batch)
        _write([batch.select([i for i, held in enumerate(sides) if not held])], target, train)
        _write([batch.select([i for i, held in enumerate(sides) if held])], target, validation)


def _write(batches: Iterator[RowBatch] | list[RowBatch], target: TrainingFormat, out: IO[bytes]) -> None:
    for batch in batches:
        if batch.ids:
            out.write(encode_pairs(batch) if target == "completion" else encode_records(batch))
