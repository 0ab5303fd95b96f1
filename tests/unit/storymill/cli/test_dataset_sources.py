"""Files, folders, patterns and folders of Hugging Face, named as the source of a dataset."""

import json
from pathlib import Path

import pytest

from storymill.cli.dataset_sources import find_sources
from storymill.client.errors import ClientError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def names_of(paths: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def test_a_folder_gives_its_rows_and_not_what_describes_or_came_of_them(tmp_path: Path) -> None:
    rows = ["a.csv", "b.jsonl", "deep/c.xlsx"]
    touch(
        tmp_path / "in", *rows, "README.md", ".hidden", "a_prepared.jsonl", "a_rejected.jsonl", "a_prepared (1).jsonl"
    )
    found = find_sources([str(tmp_path / "in")], tmp_path)
    assert names_of(found.paths, tmp_path / "in") == rows
    assert found.name == tmp_path / "in"


def test_a_pattern_gives_what_fits_and_says_when_nothing_does(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv", "c.txt")
    found = find_sources([str(tmp_path / "*.csv"), str(tmp_path / "c.txt")], tmp_path)
    assert names_of(found.paths, tmp_path) == ["a.csv", "b.csv", "c.txt"]
    for text, says in (("*.tsv", "No file fits"), ("d.csv", "There is no file"), ("hf:none", "There is no folder")):
        with pytest.raises(ClientError, match=says):
            find_sources([text if text.startswith("hf:") else str(tmp_path / text)], tmp_path)


@pytest.mark.parametrize(
    ("files", "split", "wanted", "left_out"),
    [
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"], "", [0, 1], False),
        (["data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"], "", [1], True),
        (["data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"], "#test", [0], True),
        (["test/data-00000-of-00001.arrow", "train/data-00000-of-00001.arrow"], "", [1], True),
        (["cache/stories-train.arrow", "cache/stories-validation.arrow"], "", [0], True),
        (["data-00000-of-00001.arrow"], "", [0], False),
    ],
)
def test_a_folder_of_hugging_face_gives_one_split(
    files: list[str], split: str, wanted: list[int], left_out: bool, tmp_path: Path
) -> None:
    touch(tmp_path, *files, "README.md")
    found = find_sources([f"hf:{tmp_path}{split}"], tmp_path)
    assert names_of(found.paths, tmp_path) == [files[at] for at in wanted]
    assert bool(found.notes) is left_out


def test_what_a_mapping_left_in_a_saved_dataset_is_no_row(tmp_path: Path) -> None:
    touch(tmp_path, "data-00000-of-00001.arrow", "cache-1234.arrow")
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    found = find_sources([f"hf:{tmp_path}"], tmp_path)
    assert names_of(found.paths, tmp_path) == ["data-00000-of-00001.arrow"]
    with pytest.raises(ClientError, match="has no split dev; there are: train"):
        find_sources([f"hf:{tmp_path}#dev"], tmp_path)
