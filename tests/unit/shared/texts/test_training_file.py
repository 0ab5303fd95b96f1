"""Tokens of training files: whole, sampled, cut to the model's limit, with broken lines."""

import io
import subprocess
import sys

import orjson
import pytest

from shared.bounds import Bounds
from shared.texts.encodings import load_encoding
from shared.texts.row_bound import RowBound
from shared.texts.training_file import PublishedCounter, count_training_tokens, estimate_training_tokens

MODEL = PublishedCounter("gpt-4o-mini-2024-07-18")
BOUND = RowBound.of(Bounds())


def pair(number: int, words: int = 20) -> bytes:
    return orjson.dumps({"prompt": f"{number},飞行 ->", "completion": " hero" * words}) + b"\n"


def test_a_row_counts_prompt_and_completion() -> None:
    encoding = load_encoding("o200k_base")
    counted = count_training_tokens([pair(1)], MODEL)
    assert (counted.rows, counted.is_exact) == (1, True)
    assert counted.tokens == encoding.count("1,飞行 ->") + 20


def test_broken_lines_count_nothing() -> None:
    counted = count_training_tokens([b"", b"{", b"[]", b'{"prompt": 1, "completion": "x"}', b"\xff", pair(1)], MODEL)
    assert counted.rows == 1


def test_a_row_beyond_the_models_limit_is_cut() -> None:
    assert count_training_tokens([pair(1, words=5000)], PublishedCounter("curie")).tokens == 2048


def test_chat_and_preference_rows_are_counted() -> None:
    chat = {"messages": [{"role": "user", "content": "唐"}, {"role": "assistant", "content": "story"}]}
    preference = {
        "input": {"messages": chat["messages"][:1]},
        "preferred_output": [{"role": "assistant", "content": "good story"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad story"}],
    }
    counted = count_training_tokens([orjson.dumps(chat), orjson.dumps(preference)], MODEL)
    assert counted.rows == 2
    assert counted.tokens > 10


@pytest.mark.parametrize("most_bytes", [2**16, 2**18])
def test_a_long_file_is_sampled_evenly(most_bytes: int) -> None:
    content = b"".join(pair(number, words=10 + number % 40) for number in range(20_000))
    whole = count_training_tokens(io.BytesIO(content), MODEL)
    guess = estimate_training_tokens(io.BytesIO(content), len(content), MODEL, most_bytes, BOUND)
    assert not guess.is_exact
    assert guess.rows == pytest.approx(whole.rows, rel=0.05)
    assert guess.tokens == pytest.approx(whole.tokens, rel=0.05)


def test_rows_that_are_too_long_are_passed_over_and_long_ones_end_the_sample() -> None:
    bound = RowBound.of(Bounds(max_row_bytes=5000))
    content = (pair(1, words=100_000) + pair(2)) * 50
    assert estimate_training_tokens(io.BytesIO(content), len(content), MODEL, len(content), bound).rows == 50
    content = pair(1, words=900) * 1000
    counted = estimate_training_tokens(io.BytesIO(content), len(content), MODEL, 2**10, bound)
    assert counted.rows == pytest.approx(1000, rel=0.1)


def test_a_short_file_is_counted_whole() -> None:
    content = pair(1) + pair(2)
    assert estimate_training_tokens(io.BytesIO(content), len(content), MODEL, 10_000, BOUND).is_exact


def test_counting_leaves_the_vocabularies_of_the_package_alone() -> None:
    program = (
        "import sys; from shared.texts.encodings import load_encoding;"
        "print(load_encoding('o200k_base').count('hello world'), 'bpe_openai' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "2 False\n"
