"""Lines that are escaped a batch at a time are those that would be written one by one."""

import json

import pytest

from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.training_lines import Affixes, encode_pairs

PLAIN = [("唐/宋", '一\n"二"\\'), ("", "x"), ("p", ""), ("", ""), ("tab\t", "\x1b\x00😀\u2028")]


@pytest.mark.parametrize("odd", ["", "\x7f", "\x80", "\x7f\x80\x7f"])
@pytest.mark.parametrize("affixes", [Affixes(), Affixes(' "->"\n', " /", " END")])
def test_a_batch_is_encoded_as_single_rows_would_be(odd: str, affixes: Affixes) -> None:
    rows = [(p, c + odd) for p, c in PLAIN]
    count = len(rows)
    batch = RowBatch(list(range(count)), [0] * count, [p for p, _ in rows], [c for _, c in rows], [""] * count)
    expected = "".join(
        json.dumps(
            {
                "prompt": p + affixes.prompt_end,
                "completion": affixes.completion_start + c + affixes.completion_end,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).replace("/", "\\/")
        + "\n"
        for p, c in rows
    )
    assert encode_pairs(batch, affixes).decode() == expected
