"""Findings that follow from the survey alone: empty, duplicate, conflicting, outlying and foreign rows."""

import numpy as np
from numpy.typing import NDArray

from services.preparation.conversation.column_profile import TaskType
from services.preparation.findings.board import MarkBoard
from services.preparation.findings.scripts import NAMES
from services.preparation.findings.survey import Survey

FEWEST_ROWS = 10
# Shares and spreads need some rows to mean anything.
ROWS_FOR_STATISTICS = 20
# Below this share, prompts with several completions are exceptions rather than the plan of the set.
CONFLICT_SHARE_LIMIT = 0.2
OUTLIER_DEVIATIONS = 6.0
OUTLIER_RATIO = 3.0
MAIN_SCRIPT_SHARE = 0.9
FINISHED_SHARE = 0.9
# A label or a title needs no full stop.
SENTENCE_CHARACTERS = 20


def mark_rows(survey: Survey, task_type: TaskType, board: MarkBoard) -> None:
    """Mark everything that the survey shows."""
    if survey.row_count < FEWEST_ROWS:
        board.mark_set("too_few_rows", f"{survey.row_count} rows")
    _mark_empty(survey, task_type, board)
    duplicates = _mark_duplicates(survey, board)
    _mark_conflicts(survey, task_type, duplicates, board)
    if survey.row_count >= ROWS_FOR_STATISTICS and task_type != "classification":
        _mark_outliers(survey, board)
        _mark_truncated(survey, board)
        _mark_scripts(survey, board)


def mark_pairs(survey: Survey, board: MarkBoard) -> None:
    """Mark what a survey of the preferred texts shows. That one is paired several times is by plan."""
    if survey.row_count < FEWEST_ROWS:
        board.mark_set("too_few_rows", f"{survey.row_count} rows")
    _mark_empty(survey, "conditional generation", board)
    if survey.row_count >= ROWS_FOR_STATISTICS:
        _mark_outliers(survey, board)
        _mark_truncated(survey, board)
        _mark_scripts(survey, board)


def _ids(survey: Survey, mask: NDArray[np.bool_]) -> list[int]:
    found: list[int] = survey.row_ids[mask].tolist()
    return found


def _mark_empty(survey: Survey, task_type: TaskType, board: MarkBoard) -> None:
    empty = survey.completion_lengths == 0
    board.mark("empty_completion", _ids(survey, empty))
    board.mark("blank_completion", _ids(survey, survey.is_blank & ~empty))
    if task_type != "open-ended generation":
        board.mark("empty_prompt", _ids(survey, survey.prompt_lengths == 0))


def _mark_duplicates(survey: Survey, board: MarkBoard) -> NDArray[np.bool_]:
    prompts, completions = survey.prompt_hashes, survey.completion_hashes
    order = np.lexsort((completions, prompts))
    p, c = prompts[order], completions[order]
    repeats = np.zeros(len(order), bool)
    repeats[order[1:][(p[1:] == p[:-1]) & (c[1:] == c[:-1])]] = True
    board.mark("exact_duplicate", _ids(survey, repeats))
    return repeats


def _mark_conflicts(survey: Survey, task_type: TaskType, repeats: NDArray[np.bool_], board: MarkBoard) -> None:
    """Repeats by plan (a grid with repeats) are no conflict; a few prompts asked twice among others are."""
    kept = ~repeats & (survey.prompt_lengths > 0)
    _hashes, where, counts = np.unique(survey.prompt_hashes[kept], return_inverse=True, return_counts=True)
    several = counts > 1
    if not several.any():
        return
    if task_type != "classification" and several.mean() > CONFLICT_SHARE_LIMIT:
        return
    mask = np.zeros(survey.row_count, bool)
    mask[np.flatnonzero(kept)[several[where]]] = True
    board.mark("conflicting_completions", _ids(survey, mask))


def _mark_outliers(survey: Survey, board: MarkBoard) -> None:
    """Outliers by the median and its deviation, on a log scale since lengths spread by factors."""
    lengths = np.log(np.maximum(survey.completion_lengths, 1))
    median = np.median(lengths)
    spread = max(float(np.median(np.abs(lengths - median))) * 1.4826, 0.05)
    distance = (lengths - median) / spread
    factor = np.log(OUTLIER_RATIO)
    board.mark("unusually_long", _ids(survey, (distance > OUTLIER_DEVIATIONS) & (lengths - median > factor)))
    short = (distance < -OUTLIER_DEVIATIONS) & (median - lengths > factor) & ~survey.is_blank
    board.mark("unusually_short", _ids(survey, short))


def _mark_truncated(survey: Survey, board: MarkBoard) -> None:
    long_enough = (survey.completion_lengths >= SENTENCE_CHARACTERS) & ~survey.is_blank
    if long_enough.sum() < ROWS_FOR_STATISTICS:
        return
    if survey.ends_sentence[long_enough].mean() >= FINISHED_SHARE:
        board.mark("truncated", _ids(survey, long_enough & ~survey.ends_sentence))


def _mark_scripts(survey: Survey, board: MarkBoard) -> None:
    with_letters = survey.scripts > 0
    counts = np.bincount(survey.scripts[with_letters], minlength=len(NAMES))
    main = int(np.argmax(counts))
    total = int(counts.sum())
    if total and counts[main] < total and counts[main] / total >= MAIN_SCRIPT_SHARE:
        board.mark("language_differs", _ids(survey, with_letters & (survey.scripts != main)))
        board.details["language_differs"] = f"nearly all rows are in {NAMES[main]}"
