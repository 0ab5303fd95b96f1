"""docs/operators.md names every bound with its setting, its default and what it bounds."""

import re

from shared.bounds import Bounds, setting_of
from tests.support.stack import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Bounds") : PAGE.index("## Webhooks and trackers")]


def test_the_page_lists_the_bounds_that_there_are() -> None:
    rows = dict(re.findall(r"^\| `(STORYMILL_\w+)` (\| .*) \|$", SECTION, re.MULTILINE))
    assert rows == {
        setting_of(name): f"| {field.default} | {field.description}" for name, field in Bounds.model_fields.items()
    }
