"""Says before a job is queued whether its base's template and length can take the rows: of the first and longest ones.

The trainer looks at all of them; here a verdict shall be there at once, and the streams beside it shall not wait.
"""

from pathlib import Path
from typing import Any

from services.engine.model.load import load_tokenizer
from services.engine.training.encoding import EncodingError, ExampleEncoder
from services.engine.training.encoding_of_base import build_encoder
from services.engine.training.examples import CompletionExample, Example, ExampleFile, LineProblem, PreferenceExample
from services.engine.training.job_store import Job
from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import bad_lines_error

FIRST_ROWS = 100
"""Under a template a row takes about a millisecond."""
LONGEST_ROWS = 20


class RowCheck:
    """Keeps the tokenizer of the base that it was asked for last. Used by one thread at a time."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings
        self._path = ""
        self._tokenizer: Any = None

    def check(self, job: Job, param: str, found: ExampleFile) -> None:
        """Raise InvalidFileError, naming the lines, if some of the rows looked at cannot be learned."""
        encoder = self._build_encoder(job.source["base_path"])
        problems = []
        for place in choose_rows(found.examples):
            try:
                encoder.encode_all(found.examples[place])
            except EncodingError as error:
                problems.append(LineProblem(found.lines[place], str(error)))
        if problems:
            raise bad_lines_error(param, problems)

    def _build_encoder(self, path: str) -> ExampleEncoder:
        if path != self._path:
            self._path, self._tokenizer = path, load_tokenizer(path)
        return build_encoder(Path(path), self._tokenizer, self._settings)


def choose_rows(examples: list[Example]) -> list[int]:
    """Return the places of the first rows and of the longest, in order."""
    first = set(range(min(FIRST_ROWS, len(examples))))
    longest = sorted(range(len(examples)), key=lambda place: -_count_characters(examples[place]))[:LONGEST_ROWS]
    return sorted(first | set(longest))


def _count_characters(example: Example) -> int:
    if isinstance(example, CompletionExample):
        return len(example.prompt) + len(example.completion)
    if isinstance(example, PreferenceExample):
        answers = max(len(example.preferred.content), len(example.rejected.content))
        return answers + sum(len(turn.content) for turn in example.prompt)
    return sum(len(turn.content) for turn in example.turns)
