"""A job's rows get their verdict before the job is queued."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.engine.training.examples import CompletionExample, read_examples
from services.engine.training.job_store import Job
from services.engine.training.row_check import FIRST_ROWS, LONGEST_ROWS, RowCheck, choose_rows
from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import InvalidFileError
from tests.support.tiny_models import templates
from tests.support.tiny_models.build import build_family
from tests.support.tiny_models.tokenizers import build_sentencepiece_tokenizer


def check(folder: Path, rows: list[dict[str, Any]]) -> None:
    path = folder.parent / "rows.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    values: dict[str, Any] = dict.fromkeys(Job.__dataclass_fields__) | {"source": {"base_path": str(folder)}}
    RowCheck(TrainingSettings()).check(Job(**values), "training_file", read_examples(path, TrainingSettings()))


def test_a_row_that_the_base_cannot_count_to_names_its_line(tmp_path: Path) -> None:
    folder = build_family("opt", tmp_path / "base")  # counts to 256
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "b" * 300}]
    check(folder, rows[:1])
    with pytest.raises(InvalidFileError, match="line 2: it has 303 tokens, and the base counts only to 256"):
        check(folder, rows)


def test_turns_that_the_template_refuses_name_their_line(tmp_path: Path) -> None:
    folder = build_family("llama", tmp_path / "base", tokenizer=build_sentencepiece_tokenizer(templates.BRACKETS))
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    check(folder, [{"messages": turns}])
    with pytest.raises(InvalidFileError, match=r"line 2: .*system turns are not known"):
        check(folder, [{"messages": turns}, {"messages": [{"role": "system", "content": "s"}, *turns]}])


def test_the_first_and_the_longest_rows_are_looked_at() -> None:
    examples: list[Any] = [CompletionExample("a", "b") for _ in range(500)]
    examples[400] = CompletionExample("a", "b" * 99)
    chosen = choose_rows(examples)
    assert chosen[:FIRST_ROWS] == list(range(FIRST_ROWS))
    assert 400 in chosen
    assert len(chosen) <= FIRST_ROWS + LONGEST_ROWS
