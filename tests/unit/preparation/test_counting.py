"""Tokens of many rows are counted beside the process, and here where that did not come to its end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from services.preparation.tokenizers import counting
from services.preparation.tokenizers.public_tokenizer import PublicTokenizer

TALK = '{"messages":[{"role":"user","content":"谁？"},{"role":"assistant","content":"我。"}]}'
TOKENIZER = PublicTokenizer("gpt-4o-mini")
EXPECTED = [*(TOKENIZER.count_pair(f"{n} ->", f"故事 {n}") for n in range(40)), TOKENIZER.count_chat(TALK)]


def fill(memory_limit_characters: int) -> RowStore:
    store = RowStore(memory_limit_characters)
    for n in range(40):
        store.append(RowBatch([n], [n + 1], [f"{n} ->"], [f"故事 {n}"], [""]))
    store.append(RowBatch([40], [41], ["谁？"], ["我。"], [TALK]))
    return store


@pytest.fixture
def spilled() -> Iterator[RowStore]:
    with fill(10) as store:
        assert store.is_spilled
        yield store


def count(store: RowStore) -> list[int]:
    with counting.begin_counting(store, TOKENIZER, None) as take_counts:
        counts: list[int] = take_counts().tolist()
    return counts


def test_rows_of_a_file_are_counted_as_rows_in_memory_are(spilled: RowStore) -> None:
    with fill(10**6) as kept:
        assert count(kept) == count(spilled) == EXPECTED


@pytest.mark.skipif(counting.count_processors() < 2, reason="one processor: there is no process beside this one")
def test_what_a_killed_process_did_not_count_is_counted_here(spilled: RowStore) -> None:
    process = counting.start_beside(spilled, "gpt-4o-mini", None)
    assert process is not None
    process.kill()
    assert counting.take_counts(process, spilled, TOKENIZER).tolist() == EXPECTED
    process.communicate()


def test_who_counts_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    endless = tmp_path / "rows.arrow"
    os.mkfifo(endless)
    order = json.dumps([str(endless), "gpt-4o-mini", None])
    with subprocess.Popen([sys.executable, "-m", counting.PROCESS, order], stdin=subprocess.PIPE) as beside:
        assert beside.stdin is not None
        with pytest.raises(subprocess.TimeoutExpired):
            beside.wait(2)
        beside.stdin.close()
        assert beside.wait(20) == 1
