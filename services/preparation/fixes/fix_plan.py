"""Changes to rows as data: small values that can be stored as JSON, applied and left out again.

The source rows are never touched: an output is `source + plan`, so undoing a fix is leaving it out of the plan.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.preparation.fixes.text_repairs import TEXT_REPAIRS
from services.preparation.rows.chat_text import repair_record
from services.preparation.rows.row_batches import REJECTED_COLUMN, RowBatch
from services.preparation.rows.row_store import RowStore

Field = Literal["prompt", "completion"]
FixKind = Literal["drop_rows", "lower_case", "append_text", "cut_prefix", "start_with_space", "repair_text"]


@dataclass(frozen=True, slots=True)
class Fix:
    """One change. `code` names the check that proposed it; the other values depend on `kind`.

    drop_rows uses `row_ids`; lower_case and append_text and cut_prefix use `fields[0]`; append_text uses `text`;
    cut_prefix uses `length` (characters) and `text`, which it puts in place; repair_text uses `text`, the name of
    a repair in `TEXT_REPAIRS`, `fields` and `row_ids`.
    """

    code: str
    kind: FixKind
    fields: tuple[Field, ...] = ("completion",)
    text: str = ""
    length: int = 0
    row_ids: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its form in reports."""
        return {
            "code": self.code,
            "kind": self.kind,
            "fields": list(self.fields),
            "text": self.text,
            "length": self.length,
            "row_ids": list(self.row_ids),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Fixes in the order in which they act."""

    fixes: tuple[Fix, ...] = ()

    def adding(self, *fixes: Fix) -> "Plan":
        """The plan with these fixes at its end."""
        return Plan(self.fixes + fixes)

    def without(self, code: str) -> "Plan":
        """The plan with every fix of this code undone."""
        return Plan(tuple(fix for fix in self.fixes if fix.code != code))

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the fixes, in order."""
        return tuple(fix.code for fix in self.fixes)


def apply_plan(store: RowStore, plan: Plan) -> Iterator[RowBatch]:
    """Walk over the rows as the plan leaves them. The store itself is unchanged; dropped rows are gone."""
    steps = [_step(fix) for fix in plan.fixes]
    for batch in store.batches():
        changed = replace(batch)
        for step in steps:
            changed = step(changed)
        if changed.ids:
            yield changed


def _step(fix: Fix) -> Callable[[RowBatch], RowBatch]:
    if fix.kind == "drop_rows":
        dropped = frozenset(fix.row_ids)
        return lambda batch: _drop(batch, dropped)
    if fix.kind == "repair_text":
        return _repair_step(fix)
    edit = _column_edit(fix)
    return lambda batch: _edit(batch, fix.fields[0], edit)


def _drop(batch: RowBatch, dropped: frozenset[int]) -> RowBatch:
    if dropped.isdisjoint(batch.ids):
        return batch
    return batch.select([i for i, row_id in enumerate(batch.ids) if row_id not in dropped])


def _column_edit(fix: Fix) -> Callable[[list[str]], list[str]]:
    text, length = fix.text, fix.length
    edits: dict[str, Callable[[list[str]], list[str]]] = {
        "lower_case": lambda column: [value.lower() for value in column],
        "append_text": lambda column: [value + text for value in column],
        "cut_prefix": lambda column: [text + value[length:] for value in column],
        "start_with_space": lambda column: [v if v[:1] == " " else " " + v for v in column],
    }
    return edits[fix.kind]


def _edit(batch: RowBatch, field: Field, edit: Callable[[list[str]], list[str]]) -> RowBatch:
    if field == "prompt":
        return replace(batch, prompts=edit(batch.prompts))
    return replace(batch, completions=edit(batch.completions))


def _repair_step(fix: Fix) -> Callable[[RowBatch], RowBatch]:
    chosen = frozenset(fix.row_ids)
    repair = TEXT_REPAIRS[fix.text]

    def step(batch: RowBatch) -> RowBatch:
        if chosen.isdisjoint(batch.ids):
            return batch

        def edit(column: list[str]) -> list[str]:
            return [repair(v) if i in chosen else v for i, v in zip(batch.ids, column, strict=True)]

        changed = batch
        for name in fix.fields:
            changed = _edit(changed, name, edit)
        if any(batch.records):
            changed = replace(changed, records=[
                repair_record(r, fix.fields, repair) if r and i in chosen else r
                for i, r in zip(batch.ids, batch.records, strict=True)
            ])  # fmt: skip
        if REJECTED_COLUMN in batch.extras and "completion" in fix.fields:
            changed = replace(changed, extras={**batch.extras, REJECTED_COLUMN: edit(batch.extras[REJECTED_COLUMN])})
        return changed

    return step
