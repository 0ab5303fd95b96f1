"""Preference pairs: made of reviewed stories, read from files, inspected, split, and read by the engine's parser."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.engine.training.examples import PreferenceExample, parse_lines
from services.preparation.errors import UnusableRowsError
from services.preparation.orders.order_run import run_order
from services.preparation.orders.preparation_order import RESULT_FILE, TRAIN_FILE, VALIDATION_FILE, Order, SourceOrder
from services.preparation.reading.gathering import BadSourceError
from services.preparation.rows.preference import ask, make_pair
from services.preparation.rows.reviewed_pairs import PairBook, ReviewedStory

KEY = f"sk-{'a1B2' * 8}"


def write_lines(path: Path, *values: dict[str, Any]) -> SourceOrder:
    """Write a source."""
    path.write_bytes(b"".join(orjson.dumps(value) + b"\n" for value in values))
    return SourceOrder(str(path), path.name)


def text_of(number: int, verdict: str) -> str:
    """A story unlike every other one."""
    salt = 7919 if verdict == "accepted" else 104_729
    return " ".join(f"word{((number + 1) * salt + step * step * 15_485) % 99_991}" for step in range(30)) + "."


def pair_of(number: int, *, preferred: str | None = None, rejected: str | None = None) -> dict[str, Any]:
    """A pair of a prompt of its own."""
    good = text_of(number, "accepted") if preferred is None else preferred
    bad = text_of(number, "rejected") if rejected is None else rejected
    return make_pair(ask(f"hero {number}"), good, bad)


def run(folder: Path, *sources: SourceOrder, **options: Any) -> dict[str, Any]:
    """Carry out an order and return its result."""
    run_order(Order("ds", sources, **options), folder)
    result: dict[str, Any] = orjson.loads((folder / RESULT_FILE).read_bytes())
    return result


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def write_reviews(folder: Path, verdicts: dict[str, str], *, seed: int = 0, most: int = 16) -> tuple[list[Any], Any]:
    """Pair stories: `verdicts` has, by prompt, one letter a story. Returns the lines and the ids of each pair."""
    out, origins = io.BytesIO(), io.BytesIO()
    with PairBook(folder / "reviewed") as book:
        for prompt, letters in verdicts.items():
            for number, letter in enumerate(letters):
                verdict = "accepted" if letter == "a" else "rejected"
                origin = [f"{prompt}{number}", "gen", "rv", "model", "0.5"]
                book.add(ReviewedStory(verdict, prompt, f"{prompt} {number} {verdict}", {}, origin))  # type: ignore[arg-type]
        book.write_pairs(out, origins, seed=seed, most=most)
    entries = [orjson.loads(line) for line in origins.getvalue().splitlines()]
    return [orjson.loads(line) for line in out.getvalue().splitlines()], [(e[0], e[5]) for e in entries]


def test_each_accepted_story_of_a_prompt_is_paired_with_each_rejected_one(tmp_path: Path) -> None:
    lines, ids = write_reviews(tmp_path, {"x": "aara", "y": "rr", "z": "a", "w": "ra"})
    assert ids == [("x0", "x2"), ("x1", "x2"), ("x3", "x2"), ("w1", "w0")]
    assert lines[0] == {
        "input": {"messages": [{"role": "user", "content": "x"}]},
        "preferred_output": [{"role": "assistant", "content": "x 0 accepted"}],
        "non_preferred_output": [{"role": "assistant", "content": "x 2 rejected"}],
    }


def test_a_bounded_number_of_pairs_is_drawn_by_the_seed(tmp_path: Path) -> None:
    drawn = [write_reviews(tmp_path, {"x": "aa" + "r" * 30}, seed=seed, most=4)[1] for seed in (1, 1, 2)]
    assert [len(ids) for ids in drawn] == [8, 8, 8]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 8


def test_the_engines_parser_takes_our_lines(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "pairs.jsonl", *(pair_of(number) for number in range(12)))
    result = run(tmp_path, source, system="You tell stories.")
    assert result["template"]["format"] == "preference"
    parsed = parse_lines((tmp_path / TRAIN_FILE).read_bytes().splitlines())
    assert (parsed.problems, parsed.format, len(parsed.examples)) == ([], "preference", 12)
    first = parsed.examples[0]
    assert isinstance(first, PreferenceExample)
    assert [turn.role for turn in first.prompt] == ["system", "user"]
    assert (first.preferred.content, first.rejected.content) == (text_of(0, "accepted"), text_of(0, "rejected"))


def test_an_input_of_several_turns_is_kept_as_it_is(tmp_path: Path) -> None:
    told = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "tools": []}
    source = write_lines(tmp_path / "pairs.jsonl", make_pair(told, "good story", "bad story"))
    run(tmp_path, source, system="not for this one")
    assert read(tmp_path / TRAIN_FILE) == [make_pair(told, "good story", "bad story")]


def test_both_texts_are_inspected_and_what_cannot_be_learnt_is_dropped(tmp_path: Path) -> None:
    twin = pair_of(0)
    spoilt = [twin, pair_of(2, rejected=f"my key is {KEY}"), pair_of(3, rejected=""), pair_of(4, preferred=" ")]
    same = pair_of(5, preferred="the very same story", rejected="the very same story")
    source = write_lines(tmp_path / "pairs.jsonl", twin, pair_of(1), *spoilt, same)
    result = run(tmp_path, source)
    found = {finding["code"]: finding["row_ids"] for finding in result["findings"]}
    assert found["exact_duplicate"] == [2]
    assert found["secret_key"] == [3]
    assert found["empty_completion"] == [4]
    assert found["blank_completion"] == [5]
    assert found["equal_answers"] == [6]
    assert read(tmp_path / TRAIN_FILE) == [twin, pair_of(1), spoilt[1]]
    cleaned = run(tmp_path, source, apply=("secret_key",))
    assert cleaned["counts"]["kept"] == 2
    (secret,) = [finding for finding in result["findings"] if finding["code"] == "secret_key"]
    assert "≻ my key is" in secret["examples"][0]["excerpt"]


def test_a_repair_mends_the_rejected_text_too(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "pairs.jsonl", pair_of(0, preferred="good\r\nend", rejected="bad\r\nend"))
    run(tmp_path, source, apply=("carriage_return",))
    assert read(tmp_path / TRAIN_FILE) == [pair_of(0, preferred="good\nend", rejected="bad\nend")]


def test_pairs_of_one_prompt_or_of_nearly_one_text_stay_on_one_side(tmp_path: Path) -> None:
    pairs = [pair_of(number // 3, rejected=text_of(number, "rejected")) for number in range(60)]
    copied = make_pair(ask("another prompt"), text_of(99, "accepted"), text_of(4, "rejected") + " End.")
    result = run(tmp_path, write_lines(tmp_path / "pairs.jsonl", *pairs, copied), validation_share=0.3)
    sides = [read(tmp_path / name) for name in (TRAIN_FILE, VALIDATION_FILE)]
    assert result["counts"]["validation"] == len(sides[1]) > 0
    prompts = [{pair["input"]["messages"][0]["content"] for pair in side} for side in sides]
    assert not prompts[0] & prompts[1]
    assert any({"another prompt", "hero 1"} <= side for side in prompts)


def test_a_line_that_is_no_pair_is_named_and_the_good_ones_are_kept(tmp_path: Path) -> None:
    bad = {**pair_of(1), "non_preferred_output": []}
    source = write_lines(tmp_path / "pairs.jsonl", pair_of(0), bad)
    with pytest.raises(BadSourceError, match="must be a list of at least one message") as caught:
        run(tmp_path, source)
    assert (caught.value.line, caught.value.code) == (2, "bad_source")
    assert read(caught.value.copy.corrected) == [pair_of(0)]


@pytest.mark.parametrize("other", ["completion", "chat"])
def test_pairs_become_no_other_format_and_other_rows_no_pairs(tmp_path: Path, other: str) -> None:
    pairs = write_lines(tmp_path / "pairs.jsonl", pair_of(0))
    with pytest.raises(UnusableRowsError, match="ask for the format 'preference'"):
        run(tmp_path, pairs, format=other)
    rows = write_lines(tmp_path / "rows.jsonl", {"prompt": "p", "completion": "c"})
    with pytest.raises(UnusableRowsError, match=r"rows\.jsonl holds no preference pairs"):
        run(tmp_path, rows, format="preference")
