"""All findings about a set of rows, and the numbers behind the report."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.preparation.conversation.column_profile import PairProfile, TaskType, profile_pairs
from services.preparation.conversation.marker_checks import ENDINGS, PROMPT_MARKERS
from services.preparation.findings.board import Finding, MarkBoard
from services.preparation.findings.chat_findings import ChatWatch
from services.preparation.findings.class_findings import ClassWatch
from services.preparation.findings.cut_off import mark_cut_off
from services.preparation.findings.examples import add_examples
from services.preparation.findings.marker_findings import MarkerWatch
from services.preparation.findings.pattern_checks import mark_patterns
from services.preparation.findings.row_findings import mark_rows
from services.preparation.findings.survey import Survey, SurveyTaker
from services.preparation.findings.text_findings import mark_texts
from services.preparation.near_duplicates.index import group_near_duplicates
from services.preparation.reading.read_file import ReadFile
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.tokenizers.counting import begin_counting
from services.preparation.tokenizers.model_view import RowTokenizer
from services.preparation.tokenizers.opening import open_tokenizer
from shared.texts.encodings import ModelTokens, OwnTokenizerFile

# Completions shorter than this on average say too little by themselves: the prompt is compared as well.
SHORT_COMPLETION_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Inspection:
    """Arrays have one entry per row of the store; `near` is the first position of each row's near-duplicate group."""

    findings: tuple[Finding, ...]
    survey: Survey
    tokens: NDArray[np.int64]
    near: NDArray[np.int64]
    tokenizer: RowTokenizer
    task_type: TaskType
    profile: PairProfile | None = None
    """Of rows that are pairs: what the public tool's checks look at, from the same walk."""

    @property
    def model(self) -> ModelTokens:
        """Whose tokens were counted."""
        return self.tokenizer.tokens

    def finding(self, code: str) -> Finding | None:
        """The finding of this code."""
        return next((finding for finding in self.findings if finding.code == code), None)


def inspect_file(read: ReadFile, model: str) -> Inspection:
    """Inspect the rows of a file; what reading noticed becomes findings too."""
    board = MarkBoard()
    for code, rows in read.noted.items():
        board.mark(code, rows)
    for code, detail in read.set_notes.items():
        board.mark_set(code, detail)
    for problem in read.problems:
        count = sum(other.code == problem.code for other in read.problems)
        board.mark_set(problem.code, f"{count} times, first in line {problem.line}, column {problem.column}")
    return inspect_rows(read.store, model, board)


def inspect_rows(
    store: RowStore, model: str, board: MarkBoard | None = None, own: OwnTokenizerFile | None = None
) -> Inspection:
    """Run every check over the rows. Nothing is changed. `own`: the model's tokenizer, where it is at hand."""
    board = board or MarkBoard()
    tokenizer = open_tokenizer(model, own)
    with begin_counting(store, tokenizer, own) as take_counts:
        taker = SurveyTaker()
        profile = profile_pairs(taker.watch(store.batches()), PROMPT_MARKERS, ENDINGS)
        survey, task_type = taker.take(), profile.task_type
        mark_rows(survey, task_type, board)
        walk = _walk(store, profile, board)
        near = group_near_duplicates(_compared_texts(walk, survey, task_type), store.row_count)
        _mark_near(survey, near, board)
        tokens = take_counts()
    _mark_too_long(survey, tokens, tokenizer.tokens, board)
    findings = add_examples(store, board.findings())
    return Inspection(tuple(findings), survey, tokens, near, tokenizer, task_type, profile)


def _walk(store: RowStore, profile: PairProfile, board: MarkBoard) -> Iterator[RowBatch]:
    """The one walk that looks at the texts themselves; each batch is passed on when it has been looked at."""
    task_type = profile.task_type
    is_generation = task_type == "conditional generation"
    markers = MarkerWatch(profile.prompts.common_suffix, profile.completions.common_suffix if is_generation else "")
    classes, chat = ClassWatch(), ChatWatch(board)
    for batch in store.batches():
        mark_patterns(batch, board)
        mark_texts(batch, board)
        mark_cut_off(batch, board)
        markers.observe(batch)
        chat.observe(batch)
        if task_type == "classification":
            classes.observe(batch)
        yield batch
    markers.conclude(board)
    chat.conclude()
    if task_type == "classification":
        classes.conclude(board)


def _mark_too_long(survey: Survey, tokens: NDArray[np.int64], model: ModelTokens, board: MarkBoard) -> None:
    if model.limit and (is_too_long := tokens > model.limit).any():
        board.mark("too_long_for_model", survey.row_ids[is_too_long].tolist())
        board.details["too_long_for_model"] = f"{model.model} takes {model.limit} tokens"


def _compared_texts(batches: Iterator[RowBatch], survey: Survey, task_type: TaskType) -> Iterator[list[str]]:
    """What near-duplicates are looked for in: prompts of classes, stories otherwise, both where stories are short."""
    average = float(survey.completion_lengths.mean()) if survey.row_count else 0.0
    for batch in batches:
        if task_type == "classification":
            yield batch.prompts
        elif average < SHORT_COMPLETION_CHARACTERS:
            yield [f"{p}\n{c}" for p, c in zip(batch.prompts, batch.completions, strict=True)]
        else:
            yield batch.completions


def _mark_near(survey: Survey, near: NDArray[np.int64], board: MarkBoard) -> None:
    later = near != np.arange(len(near))
    exact = board.rows.get("exact_duplicate", set())
    board.mark("near_duplicate", set(survey.row_ids[later].tolist()) - exact)
