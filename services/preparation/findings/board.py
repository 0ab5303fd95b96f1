"""A finding, and the board on which checks mark rows."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.preparation.findings.catalog import CATALOG, Severity
from services.preparation.fixes.fix_plan import Field, Fix

# Row ids shown in JSON and on the page; all of them stay in `row_ids`.
SHOWN_ROW_IDS = 100


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a finding: what it says there, and what the fix would make of it (None: it goes, or no fix)."""

    row_id: int
    excerpt: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the rows that training would suffer from. Findings about the set as a whole name no rows."""

    code: str
    row_ids: tuple[int, ...]
    detail: str = ""
    fix: Fix | None = None
    examples: tuple[Example, ...] = ()

    @property
    def severity(self) -> Severity:
        """error: training would fail or be spoiled; warning: likely harm; info: worth knowing."""
        return CATALOG[self.code].severity

    @property
    def reason(self) -> str:
        """Why it matters, in one line."""
        entry = CATALOG[self.code]
        return f"{entry.reason} ({self.detail})" if self.detail else entry.reason

    def to_json(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "code": self.code,
            "severity": self.severity,
            "count": len(self.row_ids),
            "row_ids": list(self.row_ids[:SHOWN_ROW_IDS]),
            "reason": self.reason,
            "fix": self.fix.kind if self.fix else None,
            "examples": [{"row_id": e.row_id, "excerpt": e.excerpt, "after": e.after} for e in self.examples],
        }


@dataclass(slots=True)
class MarkBoard:
    """Row ids and details by code; `findings` turns them into findings with the catalog's fixes."""

    rows: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    details: dict[str, str] = field(default_factory=dict)

    def mark(self, code: str, row_ids: Iterable[int]) -> None:
        """Mark rows with a code."""
        ids = set(row_ids)
        if ids:
            self.rows[code] |= ids

    def mark_set(self, code: str, detail: str) -> None:
        """Mark the set as a whole."""
        self.rows[code] |= set()
        self.details[code] = detail

    def findings(self) -> list[Finding]:
        """All findings, the gravest first, then in the catalog's order."""
        order = {code: position for position, code in enumerate(CATALOG)}
        ranks = {"error": 0, "warning": 1, "info": 2}
        found = [
            Finding(code, tuple(sorted(ids)), self.details.get(code, ""), proposed_fix(code, sorted(ids)))
            for code, ids in self.rows.items()
        ]
        return sorted(found, key=lambda f: (ranks[f.severity], order[f.code]))


def proposed_fix(code: str, row_ids: list[int]) -> Fix | None:
    """The fix that the catalog knows for a code, aimed at these rows."""
    remedy = CATALOG[code].remedy
    if remedy is None or not row_ids:
        return None
    if remedy == "drop":
        return Fix(code, "drop_rows", row_ids=tuple(row_ids))
    both: tuple[Field, ...] = ("prompt", "completion")
    return Fix(code, "repair_text", both, remedy, row_ids=tuple(row_ids))
