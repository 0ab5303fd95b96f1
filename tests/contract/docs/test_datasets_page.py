"""The page about datasets names all that is read and all that is found."""

import re

from services.preparation.findings.catalog import CATALOG
from services.preparation.reading.source_file import EXTENSIONS
from shared.texts.file_encoding import CODE_PAGES
from tests.support.stack import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
OTHER_SPELLINGS = {"ndjson": "jsonl", "jsonlines": "jsonl"}


def section(title: str) -> str:
    """Return the page from one heading to the next."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def words(text: str) -> set[str]:
    """Return what is written with letters, digits and lower lines."""
    return set(re.findall(r"\w+", text))


def test_every_finding_stands_in_the_table_and_no_other() -> None:
    rows = [line.split("|")[2] for line in section("Findings").splitlines() if line.startswith("| ")]
    told = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", " ".join(rows)))
    assert told == {code for code in CATALOG if "_" in code}
    assert {code for code in CATALOG if "_" not in code} <= words(" ".join(rows))


def test_every_kind_and_every_encoding_has_its_sign() -> None:
    told = words(section("What can be read"))
    kinds = {ending.removeprefix(".") for ending in EXTENSIONS}
    assert {OTHER_SPELLINGS.get(kind, kind) for kind in kinds} <= told
    assert {name for name, _, _ in CODE_PAGES} <= told
