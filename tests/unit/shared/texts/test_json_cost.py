"""What a JSON body would cost is counted before it is parsed, and what stands in its texts costs nothing."""

import time

import orjson
import pytest

from shared.texts.json_cost import GLANCES, JsonBound

NAMES = ("STORYMILL_MAX_JSON_NODES", "STORYMILL_MAX_JSON_VALUES")
BOUND = JsonBound(100, 200, *NAMES)
QUOTES = '"He said, {"so"}: [well], \\"' * 60


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": QUOTES},
        {"prompt": "\\" * 501, "next": QUOTES},
        {"messages": [{"role": "user", "content": QUOTES}] * 30},
        [1] * 200,
    ],
    ids=["brackets in a text", "backslashes before a quote", "messages", "numbers"],
)
def test_a_body_within_the_bounds_is_let_through(value: object) -> None:
    assert BOUND.find_excess(orjson.dumps(value)) is None


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        ({"messages": [[]] * 101}, "STORYMILL_MAX_JSON_NODES"),
        ({"x": QUOTES, "messages": [{}] * 101}, "STORYMILL_MAX_JSON_NODES"),
        ({f"{QUOTES}{number}": 1 for number in range(101)}, "STORYMILL_MAX_JSON_NODES"),
        ([1] * 202, "STORYMILL_MAX_JSON_VALUES"),
        (["", ""] * 1000, "STORYMILL_MAX_JSON_VALUES"),
    ],
    ids=["lists", "objects behind a text", "members", "numbers", "texts"],
)
def test_more_is_refused_by_the_name_of_its_setting(value: object, setting: str) -> None:
    assert setting in str(BOUND.find_excess(orjson.dumps(value)))


@pytest.mark.parametrize("cut_in", ["\\", '\\"', "[", '"'])
@pytest.mark.parametrize("length", GLANCES)
def test_a_long_body_counts_the_same_wherever_its_first_part_ends(cut_in: str, length: int) -> None:
    text = "x" * (length - len('{"prompt":"')) + cut_in + QUOTES * 100
    assert BOUND.find_excess(orjson.dumps({"prompt": text})) is None
    assert BOUND.find_excess(orjson.dumps({"prompt": text, "messages": [[]] * 101})) is not None


def test_counting_the_costliest_body_takes_no_time() -> None:
    bound = JsonBound(20_000, 500_000, *NAMES)
    body = b'{"messages":[' + b",".join([b"[]"] * 2_600_000) + b"]}"
    begun = time.process_time()
    assert bound.find_excess(body)
    assert time.process_time() - begun < 0.5
