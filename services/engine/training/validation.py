"""Checks the files of a job before it is queued."""

from collections.abc import Sequence
from pathlib import Path

from services.engine.training.examples import (
    REPORTED_PROBLEMS,
    ExampleFile,
    Format,
    LineProblem,
    read_examples,
)
from services.engine.training.settings import TrainingSettings

METHOD_FORMATS: dict[str, tuple[Format, ...]] = {
    "supervised": ("completion", "chat"),
    "dpo": ("preference",),
}


class InvalidFileError(Exception):
    """A file cannot be trained on; `details` name each bad line."""

    def __init__(self, param: str, message: str, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.details = details or []

    @property
    def code(self) -> str:
        """OpenAI's code: `invalid_training_file` or `invalid_validation_file`."""
        return f"invalid_{self.param}"


def check_file(path: Path, param: str, method: str, settings: TrainingSettings) -> ExampleFile:
    """Read the file behind `param` (training_file or validation_file).

    Raises: InvalidFileError for lines that cannot be used, too few or too many examples, or a format that the method
    does not take.
    """
    found = read_examples(path, settings)
    if found.problems:
        raise bad_lines_error(param, found.problems, found.problem_count, is_all=found.is_whole)
    count = len(found.examples)
    if count > settings.maximum_examples or not found.is_whole:
        message = f"The {_words(param)} has more than the {settings.maximum_examples} examples allowed."
        raise InvalidFileError(param, message)
    fewest = settings.minimum_examples if param == "training_file" else 1
    if count < fewest:
        raise InvalidFileError(param, f"The {_words(param)} has {count} examples, fewer than the {fewest} needed.")
    if found.format not in METHOD_FORMATS[method]:
        wanted = " or ".join(METHOD_FORMATS[method])
        message = f"The {_words(param)} holds {found.format} examples; method '{method}' needs {wanted} examples."
        raise InvalidFileError(param, message)
    return found


def bad_lines_error(
    param: str, problems: Sequence[LineProblem], counted: int = 0, *, is_all: bool = True
) -> InvalidFileError:
    """Build the error that names each line and reason, up to a number of them; of `counted` where that is more."""
    count = max(counted, len(problems))
    details = [f"{_words(param)}, {problem}" for problem in problems[:REPORTED_PROBLEMS]]
    if count > len(details):
        details.append(f"{_words(param)}: {count - len(details)} more lines cannot be used")
    listed = "; ".join(str(problem) for problem in problems[:REPORTED_PROBLEMS])
    more = "" if count <= REPORTED_PROBLEMS else f"; and {count - REPORTED_PROBLEMS} more"
    plural = "line" if count == 1 else "lines"
    least = "" if is_all else "at least "
    message = f"The {_words(param)} has {least}{count} {plural} that cannot be used: {listed}{more}"
    return InvalidFileError(param, message, details)


def _words(param: str) -> str:
    return param.replace("_", " ")
