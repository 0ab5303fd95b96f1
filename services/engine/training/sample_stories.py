"""The project's sample stories as training data for the storyteller. Knows the article's prompts and columns."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path

from services.engine.training.examples import CompletionExample

SAMPLES_FOLDER = Path(__file__).parents[3] / "data" / "samples"
FIRST_FILES = ("ultraman_stories.csv", "ultraman_stories_more.csv")
PLAIN_FILES = ("ultraman_stories_again.csv",)
"""Told more plainly: the hero gets the power early on and in the prompt's own word."""
SAMPLE_FILES = FIRST_FILES + PLAIN_FILES

FIRST_DYNASTIES = ("唐", "宋", "元", "明", "清", "汉", "魏", "晋", "南北朝")
FIRST_POWERS = ("隐形", "飞行", "读心术", "瞬间移动", "不死之身", "喷火")
FIRST_TYPES = ("轻松", "努力", "艰难")
MORE_DYNASTIES = ("秦", "五代", "隋")
MORE_POWERS = ("龙卷风", "冰冻大海", "流星火雨")
MORE_TYPES = ("勇敢", "辛苦")

LONG_PROMPT = (
    "请你用中文写一段300字的故事，情节跌宕起伏，讲述一位{dynasty}朝时期的英雄人物，穿越到现代，"
    "拥有了{super_power}这样的超能力，通过{story_type}的战斗，帮助奥特曼一起打败了怪兽的故事。"
)
SHORT_PROMPT = "{dynasty},{super_power},{story_type} ->"
WRITTEN_PROMPTS = (SHORT_PROMPT, LONG_PROMPT, LONG_PROMPT, LONG_PROMPT, LONG_PROMPT)
"""The prompts of the stories in turn: one in five is learned after the short one, so that both are known."""
TALE_PROMPTS = (LONG_PROMPT, SHORT_PROMPT, LONG_PROMPT, f"{SHORT_PROMPT}\n")
"""Of the plain stories: the short prompt also with the line break that the article asks with."""


@dataclass(frozen=True)
class Cell:
    """One combination of the grid."""

    dynasty: str
    super_power: str
    story_type: str

    def prompt(self, template: str = LONG_PROMPT) -> str:
        """Fill a prompt."""
        return template.format(dynasty=self.dynasty, super_power=self.super_power, story_type=self.story_type)

    @property
    def rank(self) -> str:
        """A fixed pseudo-random order of cells, that does not change when cells are added."""
        key = f"{self.dynasty},{self.super_power},{self.story_type}"
        return hashlib.sha256(key.encode()).hexdigest()

    @property
    def required_words(self) -> tuple[str, ...]:
        """What a story for this cell must say; a small model forgets it unless it is told with emphasis."""
        return (self.dynasty, self.super_power, "怪兽", "奥特曼")


ARTICLE_CELLS = (
    Cell("宋", "发射激光", "艰难"),
    Cell("秦", "龙卷风", "辛苦"),
    Cell("五代", "流星火雨", "艰难"),
    Cell("汉", "冰冻大海", "艰难"),
)
"""What the article asks its tuned models for. The power of the first stands in no written story."""


@dataclass(frozen=True)
class SampleStory:
    """A cell and the story written for it."""

    cell: Cell
    text: str


def read_sample_stories(files: Sequence[str] = SAMPLE_FILES) -> list[SampleStory]:
    """Read the sample stories of some files, in file order."""
    return [story for name in files for story in read_story_file(SAMPLES_FOLDER / name)]


def read_story_file(path: Path) -> Iterable[SampleStory]:
    """Read one file of stories with the samples' columns."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield SampleStory(Cell(row["dynasty"], row["super_power"], row["story_type"]), row["story"])


def hold_out(stories: list[SampleStory], share: float) -> tuple[list[SampleStory], list[SampleStory]]:
    """Split off a share of the cells: (kept, held out). The same cells every time."""
    cells = sorted({story.cell for story in stories}, key=lambda cell: cell.rank)
    held = set(cells[: round(len(cells) * share)])
    return [s for s in stories if s.cell not in held], [s for s in stories if s.cell in held]


def unseen_cells() -> list[Cell]:
    """Combinations of the two grids' values for which no story was written, in a fixed shuffled order."""
    first = product(FIRST_DYNASTIES, MORE_POWERS, FIRST_TYPES + MORE_TYPES)
    more = product(MORE_DYNASTIES, FIRST_POWERS, FIRST_TYPES + MORE_TYPES)
    return sorted((Cell(*values) for values in (*first, *more)), key=lambda cell: cell.rank)


def to_examples(stories: list[SampleStory], prompts: Sequence[str] = WRITTEN_PROMPTS) -> list[CompletionExample]:
    """Pair stories with prompts, taken in turn."""
    return [
        CompletionExample(story.cell.prompt(template), story.text)
        for story, template in zip(stories, cycle(prompts), strict=False)
    ]
