"""Findings about preference pairs: both texts are looked at, each for what would matter of it in training."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from services.preparation.findings.board import Finding, MarkBoard
from services.preparation.findings.cut_off import mark_cut_off
from services.preparation.findings.examples import EXAMPLES_PER_FINDING, add_examples
from services.preparation.findings.inspection import Inspection
from services.preparation.findings.pattern_checks import CHECKS, mark_patterns
from services.preparation.findings.row_findings import mark_pairs
from services.preparation.findings.survey import survey_rows
from services.preparation.findings.text_findings import mark_texts
from services.preparation.near_duplicates.disjoint_sets import DisjointSets
from services.preparation.near_duplicates.index import group_near_duplicates
from services.preparation.rows.preference import INPUT_COLUMN, ask, chat_of_answer, read_pair
from services.preparation.rows.row_batches import REJECTED_COLUMN, RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.tokenizers.model_view import ModelView, RowTokenizer
from services.preparation.tokenizers.opening import open_tokenizer
from shared.texts.encodings import OwnTokenizerFile

NEVER_LEARNT: Final = frozenset({"empty_completion", "blank_completion", "exact_duplicate", "equal_answers"})
"""Pairs that training refuses or learns nothing from: dropped unless the order says to skip that."""
REASONS_TO_REJECT: Final = frozenset({"refusal", "placeholder", "markup"})
"""No fault of a rejected text: it may have been rejected for just that."""
OF_BOTH_TEXTS: Final = frozenset(check.code for check in CHECKS) - REASONS_TO_REJECT
SHOWN_CHARACTERS: Final = 37


def inspect_pairs(
    store: RowStore, model: str, board: MarkBoard | None = None, own: OwnTokenizerFile | None = None
) -> Inspection:
    """Run the checks over the pairs. A row's tokens are those of both its chats."""
    board = board or MarkBoard()
    tokenizer = open_tokenizer(model, own)
    survey = survey_rows(store)
    mark_pairs(survey, board)
    seen: set[int] = set()
    counts: list[int] = []
    for batch in store.batches():
        mark_both(batch, board)
        mark_repeats(batch, seen, board)
        counts += count_batch(batch, tokenizer, board)
    findings = add_examples(show_pairs(store, board.findings()), board.findings())
    tokens = np.array(counts, np.int64)
    return Inspection(tuple(findings), survey, tokens, group_pairs(store), tokenizer, "conditional generation")


def with_rejected(batch: RowBatch) -> RowBatch:
    """Return the batch with the rejected texts in place of the preferred ones."""
    return replace(batch, completions=batch.extras[REJECTED_COLUMN])


def mark_both(batch: RowBatch, board: MarkBoard) -> None:
    """Mark what stands in the preferred texts, and what of it is a fault of rejected ones too."""
    mark_patterns(batch, board)
    mark_texts(batch, board)
    mark_cut_off(batch, board)
    other, found = with_rejected(batch), MarkBoard()
    mark_patterns(other, found)
    for code in OF_BOTH_TEXTS & found.rows.keys():
        board.mark(code, found.rows[code])
    texts = list(zip(other.ids, other.completions, strict=True))
    board.mark("empty_completion", [row_id for row_id, text in texts if not text])
    board.mark("blank_completion", [row_id for row_id, text in texts if text and not text.strip()])


def mark_repeats(batch: RowBatch, seen: set[int], board: MarkBoard) -> None:
    """Mark pairs that came before, and pairs of one text."""
    rows = zip(batch.ids, batch.prompts, batch.completions, batch.extras[REJECTED_COLUMN], strict=True)
    for row_id, *texts in rows:
        key = hash(tuple(texts))
        if key in seen:
            board.mark("exact_duplicate", [row_id])
        if texts[1].strip() == texts[2].strip():
            board.mark("equal_answers", [row_id])
        seen.add(key)


def count_batch(batch: RowBatch, tokenizer: RowTokenizer, board: MarkBoard) -> list[int]:
    """Return the tokens of each pair; mark those of which a side is too long."""
    limit = tokenizer.tokens.limit
    totals: list[int] = []
    columns = (batch.ids, batch.prompts, batch.completions, batch.extras[REJECTED_COLUMN], batch.extras[INPUT_COLUMN])
    for row_id, prompt, preferred, rejected, told in zip(*columns, strict=True):
        source: dict[str, Any] = orjson.loads(told) if told else ask(prompt)
        sides = [tokenizer.count_chat(chat_of_answer(source, text)) for text in (preferred, rejected)]
        totals.append(sum(sides))
        if limit and max(sides) > limit:
            board.mark("too_long_for_model", [row_id])
    if "too_long_for_model" in board.rows:
        board.details["too_long_for_model"] = f"{tokenizer.tokens.model} takes {limit} tokens"
    return totals


def group_pairs(store: RowStore) -> NDArray[np.int64]:
    """Return the first pair of each pair's group: pairs belong together when any text of theirs is nearly the same."""
    count = store.row_count

    def list_texts() -> Iterator[list[str]]:
        yield from (batch.completions for batch in store.batches())
        yield from (batch.extras[REJECTED_COLUMN] for batch in store.batches())

    near = group_near_duplicates(list_texts(), 2 * count)
    groups = DisjointSets(count)
    for position in np.flatnonzero(near != np.arange(2 * count)).tolist():
        groups.join(int(near[position]) % count, position % count)
    return groups.roots()


def show_pairs(store: RowStore, findings: list[Finding]) -> RowStore:
    """Return the rows that findings quote, with the beginnings of both texts."""
    wanted = {row_id for finding in findings for row_id in finding.row_ids[:EXAMPLES_PER_FINDING]}
    shown = RowStore()
    for batch in store.batches():
        chosen = batch.select([i for i, row_id in enumerate(batch.ids) if row_id in wanted])
        sides = zip(chosen.completions, chosen.extras[REJECTED_COLUMN], strict=True)
        texts = [f"{preferred[:SHOWN_CHARACTERS]} ≻ {rejected[:SHOWN_CHARACTERS]}" for preferred, rejected in sides]
        shown.append(replace(chosen, completions=texts))
    return shown


def view_first_pairs(final: RowStore, tokenizer: RowTokenizer, *, at_most: int) -> tuple[ModelView, ...]:
    """Return the preferred sides of a few pairs as the model sees them."""
    first = next(final.batches(), None)
    values = [orjson.loads(record) for record in first.records[:at_most]] if first else []
    return tuple(tokenizer.view_chat(chat_of_answer(value["input"], read_pair(value).preferred)) for value in values)
