"""A job's files fetched and checked before anybody is paid: they exist, can be used, and do not overlap."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.workers.fine_tuning.failures import JobFailedError
from services.workers.fine_tuning.upload.rows_report import RowsReport, check_rows, collect_keys
from services.workers.process.context import WorkerContext
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories import files
from shared.texts.amounts import count_of
from shared.texts.row_bound import RowBound
from shared.texts.training_rows import RowFormat

PURPOSE: Final = "fine-tune"
FORMATS: Final[dict[str, frozenset[RowFormat]]] = {
    "supervised": frozenset({"completion", "chat"}),
    "dpo": frozenset({"preference"}),
}
"""By method; other methods are their provider's affair."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A training file on this machine."""

    path: Path
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """What a job trains on."""

    training: LocalFile
    validation: LocalFile | None


async def fetch_files(context: WorkerContext, job: FineTuningJob, training_file_id: str, folder: Path) -> LocalFiles:
    """Copy the job's files into `folder` and check them. Raises: JobFailedError when one is gone or of another purpose,
    holds nothing that the method can learn from, or when training rows are also validated on."""
    training = await fetch_file(context, job, training_file_id, "training_file", folder / "training.jsonl")
    validation, keys, bound = None, set[bytes](), RowBound.of(context.bounds.now)
    if job.validation_file_id is not None:
        path = folder / "validation.jsonl"
        validation = await fetch_file(context, job, job.validation_file_id, "validation_file", path)
        if not job.overlap_allowed:
            keys = await asyncio.to_thread(collect_keys_of, validation, bound)
    report = await asyncio.to_thread(check_file, training, keys, bound)
    require_usable(job, report, "training_file")
    checked = LocalFile(training, training.stat().st_size, report.rows)
    if validation is None:
        return LocalFiles(checked, None)
    require_apart(report)
    report = await asyncio.to_thread(check_file, validation, set(), bound)
    require_usable(job, report, "validation_file")
    return LocalFiles(checked, LocalFile(validation, validation.stat().st_size, report.rows))


async def fetch_file(context: WorkerContext, job: FineTuningJob, file_id: str, param: str, path: Path) -> Path:
    """Copy a file out of the store. Raises: JobFailedError when it or its bytes are gone, or it has another purpose."""
    async with context.database.transaction() as session:
        file = await files.find_file(session, job.project_id, file_id)
    if file is None:
        raise JobFailedError("file_not_found", f"The file '{file_id}' was deleted.", param=param)
    if file.purpose != PURPOSE:
        message = f"The file '{file_id}' has the purpose '{file.purpose}', not '{PURPOSE}'."
        raise JobFailedError("invalid_file_purpose", message, param=param)
    try:
        await asyncio.to_thread(context.objects.fetch, file.sha256, path)
    except FileNotFoundError as error:
        message = f"The bytes of '{file_id}' are not in the object store."
        raise JobFailedError("file_not_found", message, param=param) from error
    return path


def check_file(path: Path, other_keys: set[bytes], bound: RowBound) -> RowsReport:
    """Check a local file."""
    with path.open("rb") as source:
        return check_rows(bound.read_lines(source), other_keys, bound)


def collect_keys_of(path: Path, bound: RowBound) -> set[bytes]:
    """Collect the keys of a local file."""
    with path.open("rb") as source:
        return collect_keys(bound.read_lines(source), bound)


def require_usable(job: FineTuningJob, report: RowsReport, param: str) -> None:
    """Raises: JobFailedError for a file with nothing in it, bad lines, or rows for another method."""
    name = "training" if param == "training_file" else "validation"
    if report.problem_count:
        first = report.problems[0]
        more = f" (and {report.problem_count - 1} more, see the events)" if report.problem_count > 1 else ""
        message = f"The {name} file has {count_of(report.problem_count, 'line')} that cannot be used: {first}{more}"
        details = tuple(f"{name} file, {problem}" for problem in report.problems)
        raise JobFailedError(f"invalid_{param}", message, param=param, details=details)
    if report.format is None:
        raise JobFailedError(f"invalid_{param}", f"The {name} file is empty.", param=param)
    method = str(job.method.get("type") or "supervised")
    if report.format not in FORMATS.get(method, {report.format}):
        message = f"The {name} file holds {report.format} rows, which the method '{method}' cannot learn from."
        raise JobFailedError(f"invalid_{param}", message, param=param)


def require_apart(report: RowsReport) -> None:
    """Raises: JobFailedError when training rows are also validated on: such a loss would tell nothing."""
    if not report.overlap_count:
        return
    shown = ", ".join(str(line) for line in report.overlapping[:10])
    message = (
        f"{report.overlap_count} training rows have prompts that stand in the validation file, too "
        f"(lines {shown}{', …' if report.overlap_count > 10 else ''}). Split by prompt, or send `force`."
    )
    raise JobFailedError("overlapping_validation", message, param="validation_file")
