"""A docstring says what the signature cannot: never the name or the type once more, never an error without its when. So
does one under a constant."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source_files import PRODUCT, Function, parse_folders

RAISES = re.compile(r"Raises:?\s+(.+?)(?:\.(?=\s|\Z)|\Z|\n\s*\n)", re.DOTALL)
"""What a docstring says of errors, to the end of the sentence."""
STATUS = re.compile(r"\s*\(\d{3}\)")
ERROR = re.compile(r"`?(?:(?:\w+\.)*[A-Z]\w*|\w+ errors)`?(?P<occasion>\s+\(.+\))?", re.DOTALL)
COMMA = re.compile(r",\s+(?:and\s+|or\s+)?(?![^()]*\))|\s+(?:and|or)\s+(?![^()]*\))")
"""What parts the names of a list; not within brackets."""
FILLERS = frozenset(
    re.findall(r"\w+", "a all an and are at by for how in is it its of on one or our own return s say that the this to")
) | {"what", "whether", "with"}
"""Words that say nothing beside those of a name."""
EMPTY = frozenset({"answer", "error", "moment"})
"""Stems of words that alone say of a thing no more than that it is one."""
ENDINGS = ("ies", "ing", "ed", "es", "s", "e")


def find_stem(word: str) -> str:
    """Return a word without the ending that grammar gives it: `answers` and `answer` are one."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def read_stems(text: str) -> set[str]:
    """Return the stems of a name's or a sentence's words, without fillers."""
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower().replace("_", " ")
    return {find_stem(word) for word in re.findall(r"[a-z]+", parted) if word not in FILLERS}


def repeats_its_name(name: str, docstring: str) -> bool:
    """Say whether every word of a docstring stands in the name already, or is as good as none."""
    return read_stems(docstring) <= read_stems(name) | EMPTY


def names_bare_error(docstring: str) -> bool:
    """Say whether an error is named without its occasion: alone, by its status, or beside others that have theirs in
    brackets. A sentence after a list of names counts for all of them."""
    for said in RAISES.findall(docstring):
        for part in STATUS.sub("", said).split(";"):
            errors = [ERROR.fullmatch(name) for name in COMMA.split(part.strip())]
            if all(errors) and not all(error and error["occasion"] for error in errors):
                return True
    return False


def iterate_docstrings() -> Iterator[tuple[Path, str, str]]:
    """Yield file, name and docstring of every class, function and constant of the product that has one."""
    for path, tree in parse_folders(PRODUCT).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | Function) and (docstring := ast.get_docstring(node)):
                yield path, node.name, docstring
            if isinstance(node, ast.ClassDef):  # a method's name is read behind its class's
                yield from ((path, f"{node.name}.{name}", docstring) for name, docstring in find_methods(node))
            if isinstance(node, ast.ClassDef | ast.Module):
                yield from ((path, name, docstring) for name, docstring in find_constants(node))


def find_methods(tree: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of the methods of a class."""
    for node in tree.body:
        if isinstance(node, Function) and (docstring := ast.get_docstring(node)):
            yield node.name, docstring


def find_constants(tree: ast.ClassDef | ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of what a module or a class sets and explains in the line below."""
    for setting, below in itertools.pairwise(tree.body):
        if isinstance(setting, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr):
            target = setting.target if isinstance(setting, ast.AnnAssign) else setting.targets[0]
            if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
                yield ast.unparse(target), below.value.value


def test_an_error_is_named_with_its_occasion() -> None:
    bare = [f"{path}: {name}" for path, name, docstring in iterate_docstrings() if names_bare_error(docstring)]
    assert bare == []


def test_no_docstring_only_repeats_the_name() -> None:
    echoes = [f"{path}: {name}" for path, name, docstring in iterate_docstrings() if repeats_its_name(name, docstring)]
    assert echoes == []


@pytest.mark.parametrize(
    ("docstring", "is_bare"),
    [
        ("Return a job. Raises: NotFoundError.", True),
        ("Do it.\n\nRaises: LlmError, LostRowError.", True),
        ("Link what is read. Raises OSError.", True),
        ("Return a job. Raises: NotFoundError when the project has none such.", False),
        ("Return a job. Raises: NotFoundError for\nanother project's.", False),
        ("Return a job. Raises: NotFoundError\nwhen there is none.", False),
        ("Return a job. Raises: NotFoundError, psutil.NoSuchProcess. Call it last.", True),
        ("Steer a job. Raises: NotFoundError, WrongStatusError (400).", True),
        ("Open texts. Raises: InvalidRequestError, NotFoundError (model).", True),
        ("Take a turn. Raises: SinkError, store errors.", True),
        ("Compare. Raises: NotFoundError for a model; InvalidRequestError.", True),
        ("Read an answer. Raises: LlmError (malformed, or what it says), NotFoundError (no model).", False),
        ("Cancel. Raises: NotFoundError, ConflictError when it is over.", False),
    ],
)
def test_errors_without_an_occasion_are_found(docstring: str, is_bare: bool) -> None:
    assert names_bare_error(docstring) is is_bare


def test_echoes_are_found() -> None:
    assert repeats_its_name("read_story", "Return one story.")
    assert repeats_its_name("shape_return", "Return the answer.")
    assert repeats_its_name("from_seconds", "Return the moment.")
    assert not repeats_its_name("read_story", "Return one story with its lineage.")


def test_a_docstring_under_a_constant_is_read() -> None:
    tree = ast.parse('A: Final = 1\n"""One."""\nclass B:\n    c = 2\n    """Two."""\n')
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.Module)]
    assert [found for node in classes for found in find_constants(node)] == [("A", "One."), ("c", "Two.")]
