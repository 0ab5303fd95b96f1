"""Rows whose source says that the model was cut off, whatever their text ends in."""

from typing import Final

from services.workers.datasets.findings.finding import MarkBoard
from services.workers.datasets.rows import RowBatch

REASON_COLUMN: Final = "finish_reason"
"""As the provider called it; a run's stories and exported stories carry it."""
CUT_OFF: Final = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"})


def mark_cut_off(batch: RowBatch, board: MarkBoard) -> None:
    """Mark rows that ended at a token limit: a cut may fall behind a full stop."""
    reasons = batch.extras.get(REASON_COLUMN)
    if reasons is not None:
        board.mark("truncated", [i for i, reason in zip(batch.ids, reasons, strict=True) if reason in CUT_OFF])
