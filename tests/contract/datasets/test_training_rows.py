"""One rule for a training row at every door: preparation, the check of a job's files, the engine.

The engine imports nothing of ours: the vectors hold all three to the same verdict, and the two doors to the same words.
What a preparation refuses it refuses as a problem of its line, or as a finding that is an error.
"""

import json
from pathlib import Path

import pytest

from services.engine.training.examples import parse_lines
from services.preparation.findings.finding import Finding, MarkBoard
from services.preparation.findings.inspection import inspect_file
from services.preparation.findings.pair_inspection import inspect_pairs
from services.preparation.reading.read_file import ReadFile, read_file
from services.preparation.rows.preference import split_pairs
from services.preparation.rows.row_store import RowStore
from services.workers.fine_tuning.upload.training_rows import check_rows

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
    read.store.close()
