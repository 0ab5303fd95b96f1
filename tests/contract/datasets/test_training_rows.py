"""One rule for a training row at every door: preparation, check of a job, held-out rows, counts of tokens, the engine.

The engine imports nothing of ours: the vectors hold all three to the same verdict, and the two doors to the same words.
What a preparation refuses it refuses as a problem of its line, or as a finding that is an error.
"""

import json
import re
from pathlib import Path

import pytest

from services.engine.training.examples import parse_lines
from services.gateway.comparisons.prompts import read_prompt
from services.preparation.findings.board import Finding, MarkBoard
from services.preparation.findings.inspection import inspect_file
from services.preparation.findings.pair_inspection import inspect_pairs
from services.preparation.reading.read_file import ReadFile, read_file
from services.preparation.rows.preference import split_pairs
from services.preparation.rows.row_store import RowStore
from services.workers.fine_tuning.upload.rows_report import check_rows, collect_keys
from services.workers.models.held_out_rows import read_pair_lines
from services.workers.models.scoring import CannotScoreError
from shared.bounds import Bounds
from shared.texts.row_bound import RowBound
from shared.texts.training_file import PublishedCounter, count_training_tokens
from shared.texts.training_rows import number_lines

BOUND = RowBound.of(Bounds())
FILE = Path(__file__).parents[1] / "training_rows.jsonl"
VECTORS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
# A set of one row has too few; a number is read as text, and that is said; so is half a surrogate pair.
OF_THE_SET = {"too_few_rows"}
MENDED = {"value_read_as_text", "null_read_as_empty", "lone_surrogate", "converted"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.get("reason") or vector["format"])
def test_both_doors_of_training_say_the_same(vector: dict[str, str]) -> None:
    line = vector["line"].encode()
    job, engine = check_rows([line]), parse_lines([line])
    expected = [f"line 1: {vector['reason']}"] if "reason" in vector else []
    assert job.problems == [str(problem) for problem in engine.problems] == expected
    assert job.format == engine.format == vector.get("format")


def find_all(read: ReadFile) -> tuple[Finding, ...]:
    if not read.is_preference:
        return inspect_file(read, "").findings
    with RowStore() as pairs:
        for batch in split_pairs(read.store.batches()):
            pairs.append(batch)
        return inspect_pairs(pairs, "", MarkBoard(), None).findings


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.get("reason") or vector["format"])
def test_who_scores_and_who_counts_read_the_same_rows(vector: dict[str, str]) -> None:
    line, reason = vector["line"].encode(), vector.get("reason")
    assert count_training_tokens([line], PublishedCounter("davinci-002")).rows == (0 if reason else 1)
    if vector.get("format") == "completion":
        row = json.loads(line)
        assert list(read_pair_lines([(7, line)], BOUND)) == [(row["prompt"], row["completion"])]
        return
    with pytest.raises(CannotScoreError) as refused:
        list(read_pair_lines([(7, line)], BOUND))
    expected = reason or f"only rows of prompt and completion can be scored, not {vector['format']} rows"
    assert refused.value.message == f"line 7: {expected}"


def test_the_mark_before_the_first_row_is_none_of_it() -> None:
    line = b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}'
    assert count_training_tokens([line], PublishedCounter("davinci-002")).rows == 1
    assert [read_prompt(number, found, BOUND) for number, found in number_lines([line])] == ["a"]


@pytest.mark.parametrize("odd", ['"\\ud800"', "NaN", "1e400", "123456789012345678901234567890"])
def test_what_stands_in_a_field_that_nobody_reads_breaks_no_count(odd: str) -> None:
    answer = '{"role": "assistant", "content": "a"}'
    asked = f'{{"role": "user", "content": "q", "mark": {odd}}}'
    chat = f'{{"messages": [{asked}, {answer}]}}'
    pair = f'{{"input": {{"messages": [{asked}]}}, "preferred_output": [{answer}], "non_preferred_output": [{answer}]}}'
    for line in (chat.encode(), pair.encode()):
        report = check_rows([line], collect_keys([line]))
        assert (report.problems, report.rows, report.overlapping) == ([], 1, [1])
        assert count_training_tokens([line], PublishedCounter("gpt-4o-mini-2024-07-18")).rows == 1


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.get("reason") or vector["format"])
def test_a_preparation_lets_no_row_pass_that_the_doors_refuse(vector: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(vector["line"] + "\n", encoding="utf-8")
    read = read_file(path)
    findings = find_all(read) if read.store.row_count else ()
    told = {finding.code for finding in findings}
    errors = {finding.code for finding in findings if finding.severity == "error"} - OF_THE_SET
    is_known = read.is_chat or read.is_preference or {"prompt", "completion"} <= {*read.columns}
    is_refused = bool(read.problems or errors or told & MENDED) or not is_known
    assert is_refused is ("reason" in vector), (read.problems, told)
    if "reason" in vector and (is_known or read.problems) and not told & MENDED:
        words = [*(problem.message for problem in read.problems), *(finding.reason for finding in findings)]
        assert any(say_the_same(vector["reason"], said) for said in words), words
    read.store.close()


def say_the_same(reason: str, said: str) -> bool:
    """Whether a preparation says what training says. It tells the column beside the words, and of the text of a pair
    that is empty only that it is."""
    bare = re.sub(r" at column \d+", "", reason)
    if reason.startswith("expected a JSON object") and said.startswith("expected a JSON object"):
        return True  # a list alone in a file is a file of rows
    return bare in said or (reason.endswith("is empty") and "is empty" in said)
