"""Stories of a run as lines of prompt and completion."""

from typing import Any

import orjson

from shared.contracts.recipes.prompts import read_prompts
from shared.stores.db.models import RecipeVersion, Story
from shared.texts.finish_reasons import REASON_COLUMN


class StoryWriter:
    """Turns stories of one run into lines of prompt and completion."""

    def __init__(self, request: dict[str, Any], version: RecipeVersion) -> None:
        self._short = request["prompt"] == "attributes"
        self._separator: str = request["attribute_separator"]
        self._stratify: str | None = request["stratify"]
        self._names = version.attribute_names
        self._prompts = read_prompts(version.template, version.pools)

    def write(self, story: Story) -> bytes:
        """Return a story's line."""
        row = {**self.describe(story), "prompt": self.prompt_of(story), "completion": story.text}
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    def prompt_of(self, story: Story) -> str:
        """Return its values alone, or, where whole prompts are wanted, the recipe's prompt."""
        attributes = self._attributes_of(story)
        if self._short:
            return self._separator.join(str(value) for value in attributes.values())
        return self._prompts.render(attributes, story.repeat)

    def describe(self, story: Story) -> dict[str, str | None]:
        """Return the columns beside the texts."""
        attributes = self._attributes_of(story)
        label = {self._stratify: str(attributes[self._stratify])} if self._stratify in attributes else {}
        # A text that a reviewer mended is not cut off any more.
        return {**label, REASON_COLUMN: story.finish_reason if story.original_text is None else None}

    def _attributes_of(self, story: Story) -> dict[str, Any]:
        return {name: story.attributes[name] for name in self._names}
