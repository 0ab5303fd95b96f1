"""All findings about a set of rows, and the numbers behind the report."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.workers.datasets.findings.chat_findings import ChatWatch
from services.workers.datasets.findings.class_findings import ClassWatch
from services.workers.datasets.findings.cut_off import mark_cut_off
from services.workers.datasets.findings.examples import add_examples
from services.workers.datasets.findings.finding import Finding, MarkBoard
from services.workers.datasets.findings.marker_findings import MarkerWatch
from services.workers.datasets.findings.pattern_checks import mark_patterns
from services.workers.datasets.findings.row_findings import mark_rows
from services.workers.datasets.findings.survey import Survey, survey_rows
from services.workers.datasets.findings.text_findings import mark_texts
from services.workers.datasets.near_duplicates.index import group_near_duplicates
from services.workers.datasets.parity.column_profile import PairProfile, TaskType, profile_pairs
from services.workers.datasets.reading.read_file import ReadFile
from services.workers.datasets.rows import RowBatch, RowStore
from services.workers.datasets.tokens import ModelTokens, count_chat, count_pair, load_encoding, tokens_of_model

# Completions shorter than this on average say too little by themselves: the prompt is compared as well.
SHORT_COMPLETION_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Inspection:
    """Arrays have one entry per row of the store; `near` is the first position of each row's near-duplicate group."""

    findings: tuple[Finding, ...]
    survey: Survey
    tokens: NDArray[np.int64]
    near: NDArray[np.int64]
    model: ModelTokens
    task_type: TaskType

    def finding(self, code: str) -> Finding | None:
        """The finding of this code."""
        return next((finding for finding in self.findings if finding.code == code), None)


def inspect_file(read: ReadFile, model: str) -> Inspection:
    """Inspect the rows of a file; what reading noticed becomes findings too."""
    board = MarkBoard()
    for note in read.notes:
        board.mark(note.code, [note.row_id])
    for problem in read.problems:
        count = sum(other.code == problem.code for other in read.problems)
        board.mark_set(problem.code, f"{count} times, first in line {problem.line}, column {problem.column}")
    return inspect_rows(read.store, model, board)


def inspect_rows(store: RowStore, model: str, board: MarkBoard | None = None) -> Inspection:
    """Run every check over the rows. Nothing is changed."""
    board = board or MarkBoard()
    survey = survey_rows(store)
    profile = profile_pairs(store.batches())
    task_type = profile.task_type
    mark_rows(survey, task_type, board)
    counted = tokens_of_model(model)
    tokens = _walk(store, profile, task_type, counted, board)
    near = group_near_duplicates(_compared_texts(store, survey, task_type))
    _mark_near(survey, near, board)
    findings = add_examples(store, board.findings())
    return Inspection(tuple(findings), survey, tokens, near, counted, task_type)


def _walk(
    store: RowStore, profile: PairProfile, task_type: TaskType, model: ModelTokens, board: MarkBoard
) -> NDArray[np.int64]:
    """The one walk that looks at the texts themselves; returns the tokens per row."""
    is_generation = task_type == "conditional generation"
    markers = MarkerWatch(profile.prompts.common_suffix, profile.completions.common_suffix if is_generation else "")
    classes, chat = ClassWatch(), ChatWatch(board)
    tokenizer = load_encoding(model.encoding)
    tokens: list[int] = []
    for batch in store.batches():
        mark_patterns(batch, board)
        mark_texts(batch, board)
        mark_cut_off(batch, board)
        markers.observe(batch)
        chat.observe(batch)
        if task_type == "classification":
            classes.observe(batch)
        counts = _count(tokenizer, batch)
        tokens.extend(counts)
        if model.limit:
            board.mark("too_long_for_model", [i for i, n in zip(batch.ids, counts, strict=True) if n > model.limit])
    markers.conclude(board)
    chat.conclude()
    if task_type == "classification":
        classes.conclude(board)
    if "too_long_for_model" in board.rows:
        board.details["too_long_for_model"] = f"{model.model} takes {model.limit} tokens"
    return np.array(tokens, np.int64)


def _count(tokenizer: object, batch: RowBatch) -> list[int]:
    rows = zip(batch.prompts, batch.completions, batch.records, strict=True)
    return [count_chat(tokenizer, r) if r else count_pair(tokenizer, p, c) for p, c, r in rows]  # type: ignore[arg-type]


def _compared_texts(store: RowStore, survey: Survey, task_type: TaskType) -> Iterator[list[str]]:
    """What near-duplicates are looked for in: prompts of classes, stories otherwise, both where stories are short."""
    average = float(survey.completion_lengths.mean()) if survey.row_count else 0.0
    for batch in store.batches():
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


def without_examples(finding: Finding) -> Finding:
    """The finding without texts, for logs and events that must not carry them."""
    return replace(finding, examples=())
