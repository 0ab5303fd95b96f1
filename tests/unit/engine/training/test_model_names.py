"""Names of tuned models."""

import pytest

from services.engine.training.model_names import clean_suffix, name_checkpoint, name_tuned_model


@pytest.mark.parametrize(
    ("sent", "cleaned"),
    [
        ('"ultraman"', "ultraman"),
        ("Ultra Man!!v2", "ultra-man-v2"),
        ("奥特曼_故事", "奥特曼-故事"),
        ("../../etc", "etc"),
        (None, ""),
        ("---", ""),
        ("a" * 39 + " b" * 20, "a" * 39),
    ],
)
def test_a_suffix_is_cleaned(sent: str | None, cleaned: str) -> None:
    assert clean_suffix(sent) == cleaned


def test_a_model_is_named_as_openai_names_it() -> None:
    model = name_tuned_model("gemma-3-270m", "storymill", "ultraman", "ftjob-0123456789abcdef")
    assert model == "ft:gemma-3-270m:storymill:ultraman:89abcdef"
    assert name_checkpoint(model, 10) == "ft:gemma-3-270m:storymill:ultraman:89abcdef:ckpt-step-10"
