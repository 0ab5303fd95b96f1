"""Rows whose source says that the model was cut off, whatever their text ends in."""

from services.preparation.findings.board import MarkBoard
from services.preparation.rows.row_batches import RowBatch
from shared.texts.finish_reasons import CUT_OFF, REASON_COLUMN


def mark_cut_off(batch: RowBatch, board: MarkBoard) -> None:
    """Mark rows that ended at a token limit: a cut may fall behind a full stop."""
    reasons = batch.extras.get(REASON_COLUMN)
    if reasons is not None:
        board.mark("truncated", [i for i, reason in zip(batch.ids, reasons, strict=True) if reason in CUT_OFF])
