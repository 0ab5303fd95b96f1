"""Files that are named on the command line: what is wrong with them is said at once, in one sentence."""

from pathlib import Path

import pytest

from storymill.cli.generations import export_format
from storymill.cli.recipe_files import read_recipe_file
from storymill.client.errors import ClientError


def test_the_name_of_an_export_says_its_format(tmp_path: Path) -> None:
    assert export_format(tmp_path / "stories.CSV") == "csv"
    assert export_format(None) is None


@pytest.mark.parametrize("name", ["stories.xls", "stories", "nowhere/stories.csv"])
def test_an_export_that_could_not_be_written_is_refused_before_the_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClientError):
        export_format(tmp_path / name)


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be read"):
        read_recipe_file(tmp_path)
