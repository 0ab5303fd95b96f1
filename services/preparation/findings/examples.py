"""Examples for findings: what stands in the first rows, and what the fix makes of it."""

from dataclasses import replace

from services.preparation.findings.board import Example, Finding
from services.preparation.fixes.fix_plan import Fix
from services.preparation.fixes.text_repairs import TEXT_REPAIRS
from services.preparation.rows.row_store import RowStore

EXAMPLES_PER_FINDING = 3
EXCERPT_CHARACTERS = 80


def add_examples(store: RowStore, findings: list[Finding]) -> list[Finding]:
    """The findings with their first rows quoted."""
    wanted = {row_id for finding in findings for row_id in finding.row_ids[:EXAMPLES_PER_FINDING]}
    texts = store.rows(sorted(wanted)) if wanted else {}
    return [
        replace(
            finding,
            examples=tuple(
                _example(row_id, texts[row_id], finding.fix)
                for row_id in finding.row_ids[:EXAMPLES_PER_FINDING]
                if row_id in texts
            ),
        )
        for finding in findings
    ]


def _example(row_id: int, pair: tuple[str, str], fix: Fix | None) -> Example:
    before = _excerpt(*pair)
    if fix is None or fix.kind != "repair_text":
        return Example(row_id, before)
    repair = TEXT_REPAIRS[fix.text]
    return Example(row_id, before, _excerpt(repair(pair[0]), repair(pair[1])))


def _excerpt(prompt: str, completion: str) -> str:
    shown = f"{_cut(prompt)} → {_cut(completion)}" if prompt else _cut(completion)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[:EXCERPT_CHARACTERS]}…"
