"""Findings about separators and endings: inside texts, missing, or mistaken for ordinary text."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from services.preparation.conversation.marker_checks import ENDINGS, FALLBACK_ENDING, FALLBACK_SEPARATOR, SEPARATORS
from services.preparation.findings.board import MarkBoard
from services.preparation.rows.row_batches import RowBatch

# Endings that are markers and not simply how sentences end.
MARKER_ENDINGS = (*(e for e in ENDINGS if e != "."), FALLBACK_ENDING, "###", "<|endoftext|>", "</s>")
MARKER_SEPARATORS = (*SEPARATORS, FALLBACK_SEPARATOR)
MARKER_SHARE = 0.9
ORDINARY_SHARE = 0.5
ROWS_FOR_SHARES = 10


@dataclass(slots=True)
class MarkerWatch:
    """Fed batch by batch with the markers that the rows already share ("" for none)."""

    shared_separator: str
    shared_ending: str
    row_count: int = 0
    with_ending_inside: "array[int]" = field(default_factory=lambda: array("q"))
    with_separator_inside: "array[int]" = field(default_factory=lambda: array("q"))
    without: dict[str, "array[int]"] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)

    def observe(self, batch: RowBatch) -> None:
        """Take in more rows."""
        self.row_count += len(batch)
        self._observe_inside(batch)
        self._count_ends(batch.ids, batch.completions, MARKER_ENDINGS, "ending")
        self._count_ends(batch.ids, batch.prompts, MARKER_SEPARATORS, "separator")

    def _observe_inside(self, batch: RowBatch) -> None:
        ending, separator = self.shared_ending, self.shared_separator
        for row_id, prompt, completion in zip(batch.ids, batch.prompts, batch.completions, strict=True):
            if ending and completion.find(ending, 0, len(completion) - len(ending)) >= 0:
                self.with_ending_inside.append(row_id)
            if separator and prompt.find(separator, 0, len(prompt) - len(separator)) >= 0:
                self.with_separator_inside.append(row_id)

    def _count_ends(self, ids: list[int], texts: list[str], markers: tuple[str, ...], kind: str) -> None:
        without = self.without.setdefault(kind, array("q"))
        for row_id, text in zip(ids, texts, strict=True):
            if not text.endswith(markers):
                without.append(row_id)
                continue
            for marker in markers:
                if text.endswith(marker):
                    self.ends[f"{kind}:{marker}"] += 1

    def conclude(self, board: MarkBoard) -> None:
        """Mark what the shares show."""
        if self.row_count < ROWS_FOR_SHARES:
            return
        if len(self.with_ending_inside) > ORDINARY_SHARE * self.row_count:
            board.mark_set("ending_is_ordinary_text", f"`{self.shared_ending}` in {len(self.with_ending_inside)} rows")
        else:
            board.mark("stop_inside_completion", self.with_ending_inside)
        if len(self.with_separator_inside) <= ORDINARY_SHARE * self.row_count:
            board.mark("separator_inside_prompt", self.with_separator_inside)
        for kind in ("ending", "separator"):
            missing = self.without.get(kind)
            top = max((n for name, n in self.ends.items() if name.startswith(kind)), default=0)
            if missing and top >= MARKER_SHARE * self.row_count:
                board.mark(f"missing_{kind}", missing)
