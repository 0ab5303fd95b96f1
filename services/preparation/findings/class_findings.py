"""Findings about the classes of a classification set."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from services.preparation.findings.board import MarkBoard
from services.preparation.rows.row_batches import RowBatch

UNBALANCED_RATIO = 10
RARE_CLASS_ROWS = 2
# More distinct completions than this are no classes.
MAX_CLASSES = 10_000


@dataclass(slots=True)
class ClassWatch:
    """Counts completions batch by batch."""

    counts: Counter[str] = field(default_factory=Counter)
    first_ids: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def observe(self, batch: RowBatch) -> None:
        """Take in more rows."""
        if len(self.counts) > MAX_CLASSES:
            return
        self.counts.update(batch.completions)
        for row_id, label in zip(batch.ids, batch.completions, strict=True):
            if len(self.first_ids[label]) < RARE_CLASS_ROWS:
                self.first_ids[label].append(row_id)

    def conclude(self, board: MarkBoard) -> None:
        """Mark what the counts show. Call for classification sets only."""
        if len(self.counts) < 2 or len(self.counts) > MAX_CLASSES:
            return
        rare = [label for label, count in self.counts.items() if count <= RARE_CLASS_ROWS]
        board.mark("rare_class", [row_id for label in rare for row_id in self.first_ids[label]])
        common = {label: count for label, count in self.counts.items() if label not in rare}
        if common and max(common.values()) >= UNBALANCED_RATIO * min(common.values()):
            largest, smallest = max(common, key=lambda c: common[c]), min(common, key=lambda c: common[c])
            detail = f"`{largest.strip()}` {common[largest]} times, `{smallest.strip()}` {common[smallest]} times"
            board.mark_set("unbalanced_classes", detail)
        self._mark_variants(board)

    def _mark_variants(self, board: MarkBoard) -> None:
        variants: dict[str, list[str]] = defaultdict(list)
        for label in self.counts:
            variants["".join(label.lower().split())].append(label)
        for labels in variants.values():
            if len(labels) > 1:
                rarer = sorted(labels, key=lambda label: self.counts[label])[:-1]
                board.mark("class_variants", [row_id for label in rarer for row_id in self.first_ids[label]])
