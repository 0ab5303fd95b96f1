"""A sheet of stories for readers who know nothing of the models, and what they found.

`python -m services.engine.training.reading_sheet make DIR --stories NAME=FILE … --written 10` shuffles stories that
`pattern_check --output` wrote with written ones; `… count DIR ANSWERS …` tells by source how many each reader passed.
Readers get `sheet.md` and `answers.csv`; `key.json` says what each story is and stays with whoever made the sheet.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.engine.training.sample_stories import Cell, read_sample_stories
from services.engine.training.tales.sense import judge_sense

QUESTIONS = {
    "one_hero": "Is there one hero of the dynasty, the same throughout?",
    "power": "Does the power do what it says?",
    "monster": "Is the monster beaten, or won over, by something that you can follow?",
    "ultraman": "Does Ultraman take part?",
    "sense": "Is the story free of what contradicts itself, goes round in circles or cannot be understood?",
}
YES, NO = "y", "n"
WRITTEN, PROGRAM = "written", "program"
Answers = Mapping[int, Mapping[str, bool]]


@dataclass(frozen=True)
class SheetStory:
    """A story of the sheet: where it is from, what was asked for, and its text."""

    source: str
    cell: Cell
    text: str


def read_stories(source: str, path: Path) -> Iterator[SheetStory]:
    """Read what `pattern_check --output` wrote."""
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        yield SheetStory(source, Cell(**told["cell"]), told["text"].strip())


def draw_written(count: int, chance: random.Random) -> list[SheetStory]:
    """Draw written stories of different cells."""
    by_cell = {story.cell: story.text for story in read_sample_stories()}
    return [SheetStory(WRITTEN, cell, by_cell[cell]) for cell in chance.sample(list(by_cell), count)]


def write_sheet(folder: Path, stories: Sequence[SheetStory]) -> None:
    """Write the sheet, an empty table for answers, and the key. Stories are numbered from 1, as they come."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = "\n".join(f"- **{name}**: {question}" for name, question in QUESTIONS.items())
    told = [
        f"## {number}\n\nAsked for: {', '.join(vars(story.cell).values())}\n\n{story.text}\n"
        for number, story in enumerate(stories, start=1)
    ]
    head = f"# Stories to read\n\nAnswer each question of each story by {YES} or {NO} in answers.csv.\n\n{asked}\n"
    (folder / "sheet.md").write_text("\n".join([head, *told]), encoding="utf-8")
    rows = [",".join(("number", *QUESTIONS))]
    rows += [f"{number}{',' * len(QUESTIONS)}" for number in range(1, len(stories) + 1)]
    (folder / "answers.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    key = [{"source": s.source, "cell": vars(s.cell), "text": s.text} for s in stories]
    (folder / "key.json").write_text(json.dumps(key, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_key(folder: Path) -> list[SheetStory]:
    """Read the key of a sheet, in the sheet's order."""
    key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    return [SheetStory(row["source"], Cell(**row["cell"]), row["text"]) for row in key]


def read_answers(path: Path, count: int) -> Answers:
    """Read a reader's table. Raises: ValueError for an answer that is neither y nor n, and for a story without any."""
    answers: dict[int, dict[str, bool]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            given = {name: row[name].strip().lower() for name in QUESTIONS}
            if odd := [name for name, answer in given.items() if answer not in (YES, NO)]:
                raise ValueError(f"{path}: story {row['number']} has no {YES} or {NO} for {', '.join(odd)}")
            answers[int(row["number"])] = {name: answer == YES for name, answer in given.items()}
    if missing := sorted(set(range(1, count + 1)) - answers.keys()):
        raise ValueError(f"{path}: no answers for {missing}")
    return answers


def count_passes(stories: Sequence[SheetStory], readers: Mapping[str, Answers]) -> dict[str, dict[str, Any]]:
    """Return by source: how many stories it has, how many each reader and the program passed, and all readers' yes by
    question."""
    found: dict[str, dict[str, Any]] = {}
    for source in dict.fromkeys(story.source for story in stories):
        numbers = [number for number, story in enumerate(stories, start=1) if story.source == source]
        passed: dict[str, Any] = {"stories": len(numbers)}
        for reader, answers in readers.items():
            passed[reader] = sum(all(answers[number].values()) for number in numbers)
        told = [stories[number - 1] for number in numbers]
        passed[PROGRAM] = sum(judge_sense(story.cell, story.text).passes for story in told)
        passed["yes"] = {
            name: {reader: sum(answers[number][name] for number in numbers) for reader, answers in readers.items()}
            for name in QUESTIONS
        }
        found[source] = passed
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a sheet, or count what readers found on one as a JSON object on stdout."""
    options = _parse(arguments)
    if options.command == "count":
        stories = read_key(options.folder)
        readers = {path.stem: read_answers(path, len(stories)) for path in options.answers}
        sys.stdout.write(json.dumps(count_passes(stories, readers), ensure_ascii=False, indent=1) + "\n")
        return
    chance = random.Random(options.seed)  # noqa: S311 an order, not secrets
    stories = [*_read_all(options.stories), *draw_written(options.written, chance)]
    chance.shuffle(stories)
    write_sheet(options.folder, stories)


def _read_all(named: Iterable[str]) -> Iterator[SheetStory]:
    for name, _, path in (part.partition("=") for part in named):
        yield from read_stories(name, Path(path))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reading_sheet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write sheet.md, answers.csv and key.json")
    make.add_argument("folder", type=Path)
    make.add_argument("--stories", nargs="+", required=True, metavar="NAME=FILE", help="what pattern_check wrote")
    make.add_argument("--written", type=int, default=10, help="written stories among them")
    make.add_argument("--seed", type=int, default=0)
    count = commands.add_parser("count", help="tell by source how many each reader passed")
    count.add_argument("folder", type=Path)
    count.add_argument("answers", type=Path, nargs="+", help="filled answers.csv of each reader, one file each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
