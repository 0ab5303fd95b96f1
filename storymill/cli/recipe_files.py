"""Recipes in files: JSON, or YAML as JSON has it.

YAML's older habits would change what an attribute says: `no` would be false, `2024-01-01` a date, `010` eight and
`1:30` ninety. Here words are texts, only `true`, `false` and `null` are more, and numbers are written as in JSON."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from storymill.client.errors import ClientError

YAML_SUFFIXES: Final = (".yaml", ".yml")
RECIPE_SUFFIXES: Final = (".json", *YAML_SUFFIXES)
SCALARS: Final = {
    "tag:yaml.org,2002:bool": (re.compile(r"true|false"), "tf"),
    "tag:yaml.org,2002:null": (re.compile(r"null|~|"), ["n", "~", ""]),
    "tag:yaml.org,2002:int": (re.compile(r"-?(?:0|[1-9][0-9]*)"), "-0123456789"),
    "tag:yaml.org,2002:float": (
        re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)"),
        "-0123456789",
    ),
    "tag:yaml.org,2002:merge": (re.compile(r"<<"), "<"),
}
"""What a bare word may be beside a text: its form, and with what it may begin."""


class JsonLikeLoader(yaml.SafeLoader):
    """YAML whose scalars are JSON's, and whose keys are written once."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  as the library has it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping. Raises: ConstructorError for a key that stands twice, where the last would win unseen."""
        seen = set[str]()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, (_form, _first) in SCALARS.items():
    JsonLikeLoader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_form.pattern})$"), list(_first))


def read_recipe_file(file: Path) -> dict[str, Any]:
    """Return the recipe in a JSON or YAML file. Raises: ClientError with line and column."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ClientError(f"There is no file {file}.") from error
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ClientError(f"{file} is not UTF-8 (byte {error.start}).") from error
    is_yaml = file.suffix.lower() in YAML_SUFFIXES
    recipe = parse_yaml(file, text) if is_yaml else parse_json(file, text)
    if not isinstance(recipe, dict):
        raise ClientError(
            f"{file} holds {type(recipe).__name__}, a recipe is {'a mapping' if is_yaml else 'a JSON object'}."
        )
    return recipe


def parse_json(file: Path, text: str) -> Any:
    """Return what a JSON text says. Raises: ClientError for what is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ClientError(f"{file} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error


def parse_yaml(file: Path, text: str) -> Any:
    """Return what a YAML text says. Raises: ClientError for what is none."""
    try:
        return yaml.load(text, JsonLikeLoader)  # noqa: S506  it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ClientError(f"{file} is not YAML: {where}{error.problem}.") from error
    except yaml.YAMLError as error:
        raise ClientError(f"{file} is not YAML: {error}.") from error
