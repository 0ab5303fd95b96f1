"""Carry out an order: from gathered rows to training files, report and the origin of every row. No database."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import orjson

from services.preparation.chosen_template import ChosenTemplate
from services.preparation.conversation.checks import examine_rows
from services.preparation.errors import UnusableRowsError
from services.preparation.findings.inspection import Inspection, inspect_rows
from services.preparation.findings.pair_inspection import NEVER_LEARNT, inspect_pairs, view_first_pairs
from services.preparation.fixes.fix_plan import Plan
from services.preparation.orders.preparation_order import (
    PAGE_FILE,
    RESULT_FILE,
    ROWS_FILE,
    TRAIN_FILE,
    VALIDATION_FILE,
    Order,
)
from services.preparation.prepared_files import (
    build_rows,
    choose_plan,
    find_contract,
    split_prepared,
    write_files,
)
from services.preparation.reading.gathering import GatheredRows, gather_rows
from services.preparation.report.page import write_page
from services.preparation.report.summary import summarise
from services.preparation.rows.row_store import RowStore
from services.preparation.split import Split
from services.preparation.tokenizers.model_view import view_first_rows

SHOWN_VIEWS = 3


def run_order(order: Order, folder: Path) -> None:
    """Write training files, report, rows and the result into `folder`. Raises: DatasetError for sources that cannot be
    prepared; it names the place."""
    gathered = gather_rows(order, folder)
    with gathered.store as store:
        if not store.row_count:
            raise UnusableRowsError("The sources hold no rows.", "count")
        inspect = inspect_pairs if gathered.target == "preference" else inspect_rows
        inspection = inspect(store, order.model, gathered.board, order.tokenizer)
        plan = make_plan(order, gathered, inspection)
        final, profile = build_rows(store, plan, gathered.target, gathered.is_chat, order.system)
        with final:
            if not final.row_count:
                raise UnusableRowsError("No row is left after the fixes; see the findings.", "count")
            contract = find_contract(profile, gathered.target)
            write_outcome(order, gathered, inspection, plan, final, contract, folder)


def make_plan(order: Order, gathered: GatheredRows, inspection: Inspection) -> Plan:
    """Return the recommended and the chosen fixes, less those to be left out. Raises: UnusableRowsError when the public
    tool would stop at the rows."""
    is_pairs = gathered.target == "preference"
    examination = None
    if not gathered.is_chat and not is_pairs:
        examination = examine_rows(gathered.store, ["prompt", "completion"], inspection.profile)
    if examination is not None and examination.error is not None:
        raise UnusableRowsError(str(examination.error.error), examination.error.name)
    chosen = frozenset(order.apply) | (NEVER_LEARNT if is_pairs else frozenset())
    plan = choose_plan(examination, inspection, chosen, gathered.target)
    for code in order.skip:
        plan = plan.without(code)
    return plan


def write_outcome(
    order: Order,
    gathered: GatheredRows,
    inspection: Inspection,
    plan: Plan,
    final: RowStore,
    contract: ChosenTemplate,
    folder: Path,
) -> None:
    """Write everything that the worker stores."""
    split = split_prepared(final, inspection, order.validation_share, order.seed, order.stratify)
    held_out = split.validation_count
    validation = folder / VALIDATION_FILE if held_out else None
    write_files(final, gathered.target, folder / TRAIN_FILE, validation, split)
    write_rows(gathered, final, split, folder)
    counts = {
        "rows": gathered.store.row_count,
        "kept": final.row_count,
        "train": final.row_count - held_out,
        "validation": held_out,
    }
    source = {"sources": ", ".join(source.name for source in order.sources), "fixes": ", ".join(plan.codes)}
    if gathered.target == "preference":
        views = view_first_pairs(final, inspection.tokenizer, at_most=SHOWN_VIEWS)
    else:
        views = view_first_rows(final, inspection.tokenizer, is_chat=gathered.target == "chat", at_most=SHOWN_VIEWS)
    summary = summarise(order.title, source, counts, inspection, contract, views)
    write_page(summary, folder / PAGE_FILE)
    result = {**summary.to_json(), "fixes": list(plan.codes)}
    (folder / RESULT_FILE).write_bytes(orjson.dumps(result))


def write_rows(gathered: GatheredRows, final: RowStore, split: Split, folder: Path) -> None:
    """Write one line per finished row: its side, its stretch of that side's file, a hash of it, source and line."""
    sides = {side: stretches(folder / name) for side, name in (("train", TRAIN_FILE), ("validation", VALIDATION_FILE))}
    position = 0
    with (folder / ROWS_FILE).open("wb") as out:
        for batch in final.batches():
            for row_id in batch.ids:
                side = "validation" if split.is_validation[position] else "train"
                start, line = next(sides[side])
                digest = hashlib.sha256(line).hexdigest()
                row = [position, side, start, len(line), digest, gathered.sources[row_id], gathered.lines[row_id]]
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                position += 1


def stretches(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a file, without its end, and where it begins."""
    start = 0
    with path.open("rb") as lines:
        for line in lines:
            yield start, line.rstrip(b"\n")
            start += len(line)
