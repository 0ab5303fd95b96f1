"""Recipes in files: YAML says what the same JSON would."""

from pathlib import Path
from typing import Any

import pytest

from storymill.cli.recipe_files import read_recipe_file
from storymill.client.errors import ClientError

RECIPE = """
name: heroes
template: |
  写一个关于{{ dynasty }}朝的故事。
  {{ power }}
attributes:
  dynasty: [唐, 宋]
  power: [no, on, 2024-01-01, 010, 1:30, 1_000, 0x1F, .5, yes, ~, null, true]
  year: {range: [1, 3]}
repeats: 2
parameters: {max_tokens: 600, temperature: 0.7, top_p: 1e-1, stop: "null"}
"""


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_words_stay_words_and_numbers_are_jsons(tmp_path: Path) -> None:
    recipe = read_recipe_file(write(tmp_path, RECIPE))
    assert recipe["template"] == "写一个关于{{ dynasty }}朝的故事。\n{{ power }}\n"
    words: list[Any] = ["no", "on", "2024-01-01", "010", "1:30", "1_000", "0x1F", ".5", "yes"]
    assert recipe["attributes"]["power"] == [*words, None, None, True]
    assert recipe["attributes"]["year"] == {"range": [1, 3]}
    assert recipe["parameters"] == {"max_tokens": 600, "temperature": 0.7, "top_p": 0.1, "stop": "null"}


def test_anchors_and_merges_spare_words(tmp_path: Path) -> None:
    text = "base: &b {a: 1, b: 2}\nparameters:\n  <<: *b\n  b: 3\n"
    assert read_recipe_file(write(tmp_path, text, "r.yml"))["parameters"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands here twice"),
        ("a: [1,\n", "line 2, column 1"),
        ("- a\n", "holds list, a recipe is a mapping"),
        ("a: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("a: \x00\n", "is not YAML"),
    ],
)
def test_what_is_no_recipe_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ClientError, match=r"recipe\.yaml") as caught:
        read_recipe_file(write(tmp_path, text))
    assert said in str(caught.value)
