"""The base that a tuned model's name tells."""

import pytest

from shared.outside.prices.model_names import find_base_name, names_to_try


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("ft:gpt-4o-mini-2024-07-18:org:suffix:id", "gpt-4o-mini-2024-07-18"),
        ("ft:gpt-4o-mini-2024-07-18:org::id:ckpt-step-10", "gpt-4o-mini-2024-07-18"),
        ("curie:ft-bothub-ai:ultraman-2023-04-04-03-03-26", "curie"),
        ("gpt-4o-mini-2024-07-18.ft-0123abc", "gpt-4o-mini-2024-07-18"),
        ("ft:", ""),
        ("meta-llama/Llama-3", "meta-llama/Llama-3"),
    ],
)
def test_the_base_is_read_from_the_name(model: str, base: str) -> None:
    assert find_base_name(model) == base


def test_a_base_is_tried_once() -> None:
    assert list(names_to_try("curie", with_base=True)) == ["curie"]
    assert list(names_to_try("curie:ft-a", with_base=True)) == ["curie:ft-a", "curie"]
    assert list(names_to_try("curie:ft-a", with_base=False)) == ["curie:ft-a"]
