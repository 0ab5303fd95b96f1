"""One preparation in the terminal: the public tool's conversation, then the findings, then the files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from rich.console import Console

from services.preparation.conversation.checks import examine_rows
from services.preparation.conversation.column_profile import PairProfile
from services.preparation.conversation.dialogue import Streams, ask_for_fixes
from services.preparation.conversation.output_files import free_names
from services.preparation.conversation.write_out import PreparedRows, write_out
from services.preparation.errors import UnusableRowsError
from services.preparation.findings.board import Finding
from services.preparation.findings.inspection import Inspection, inspect_file
from services.preparation.fixes.fix_plan import Plan
from services.preparation.local.joined_files import join_files
from services.preparation.local.preview import print_preview
from services.preparation.prepared_files import (
    COMPLETION_ONLY,
    build_rows,
    find_contract,
    finding_fixes,
    split_prepared,
    write_files,
)
from services.preparation.reading.choices import NO_CHOICES, ReadingChoices
from services.preparation.reading.corrected_copy import write_corrected_copy
from services.preparation.reading.read_file import ReadFile, read_file
from services.preparation.reading.table_header import suggest_columns
from services.preparation.reading.text_encoding import EncodingUnclearError
from services.preparation.report.page import write_page
from services.preparation.report.summary import Summary, summarise
from services.preparation.report.terminal import print_summary
from services.preparation.rows.formats import TrainingFormat, to_completion
from services.preparation.rows.row_store import RowStore
from services.preparation.tokenizers.model_view import view_first_rows

SHOWN_PROBLEMS = 20
SHOWN_VIEWS = 3


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line was told. `target` None keeps the source's format."""

    target: str | None
    model: str
    chosen: frozenset[str]
    validation_share: float
    seed: int
    stratify: str | None
    system: str | None
    quiet: bool
    choices: ReadingChoices = NO_CHOICES
    preview: int = 0
    """So many rows are shown, and nothing is written."""


class LocalRun:
    """Use as a context manager: the rows live in temporary files. `name` is what the files written are called by: the
    first of the sources unless given."""

    def __init__(
        self,
        paths: Sequence[Path],
        options: RunOptions,
        streams: Streams,
        console: Console,
        *,
        name: Path | None = None,
    ) -> None:
        self.summary: Summary | None = None
        self._paths = paths
        self._path = name or paths[0]
        self._options = options
        self._streams = streams
        self._console = console
        self._stores: list[RowStore] = []
        self._is_ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for store in self._stores:
            store.close()

    def run(self) -> int:
        """Run to the end; returns the exit status."""
        self._streams.output.write("Analyzing...\n")
        reads = [self._read(path) for path in self._paths]
        if self._options.preview:
            for read in reads:
                print_preview(self._console, read, self._options.preview)
            return 0
        bad = [read for read in reads if read.problem_count]
        if bad:
            return max(self._refuse(read) for read in bad)
        for read in reads:
            if read.is_preference:
                message = f"{read.source.path} holds preference pairs, which only a running mill prepares."
                raise UnusableRowsError(f"{message} Ask for --format preference there.", "format")
        return self._prepare(reads[0] if len(reads) == 1 else self._join(reads))

    def _join(self, reads: list[ReadFile]) -> ReadFile:
        joined = join_files(reads, self._options.stratify, self._options.system)
        self._stores.append(joined.store)
        return joined

    def _prepare(self, read: ReadFile) -> int:
        if not read.store.row_count:
            raise UnusableRowsError(f"{self._path} holds no rows.", "count")
        self._is_ready = self._is_training_file(read)
        target = cast(TrainingFormat, self._options.target or ("chat" if read.is_chat else "completion"))
        if read.is_chat and target == "completion":
            read = self._as_pairs(read)
        inspection = inspect_file(read, self._options.model)
        plan, any_applied = self._choose_plan(read, inspection, target)
        if plan is None:
            return 1
        return self._finish(read, inspection, plan, any_applied, target)

    def _read(self, path: Path) -> ReadFile:
        """Read a file; where its encoding is unclear, whoever sits before the terminal may choose one."""
        read = self._read_or_ask(path)
        self._stores.append(read.store)
        return read

    def _read_or_ask(self, path: Path) -> ReadFile:
        try:
            return read_file(path, self._options.choices)
        except EncodingUnclearError as error:
            for candidate in error.candidates if not self._options.quiet else ():
                if self._streams.ask(f"\n- The encoding is unclear. Read it like this?\n  {candidate}\n  [Y/n]: "):
                    return read_file(path, replace(self._options.choices, encoding=candidate.encoding))
            raise

    def _is_training_file(self, read: ReadFile) -> bool:
        """Whether the source itself could be trained on, so that nothing need be written."""
        source = read.source
        is_plain = source.format == "jsonl" and source.encoding == "utf-8" and not source.is_gzip
        return len(self._paths) == 1 and is_plain and not read.is_chat and not (read.noted or read.set_notes)

    def write_page(self, path: Path) -> None:
        """Write the report of the finished run."""
        assert self.summary is not None
        write_page(self.summary, path)
        self._console.print(f"Report: {path}")

    def _refuse(self, read: ReadFile) -> int:
        path = read.source.path
        for problem in read.problems[:SHOWN_PROBLEMS]:
            where = f"{path}:{problem.line}:{problem.column}"
            self._streams.errors.write(f"{where}: {problem.code}: {problem.message}\n")
        copy = write_corrected_copy(read.source, self._path.parent)
        self._streams.errors.write(
            f"{read.problem_count} pieces of {path} could not be read. The {copy.row_count} good rows are in "
            f"{copy.corrected}, the pieces themselves in {copy.rejected}. Prepare the corrected copy, or mend the "
            "source.\n"
        )
        return 1

    def _as_pairs(self, read: ReadFile) -> ReadFile:
        pairs = RowStore()
        self._stores.append(pairs)
        position = 0
        for batch in to_completion(read.store.batches()):
            batch.ids = list(range(position, position + len(batch)))
            position += len(batch)
            pairs.append(batch)
        return ReadFile(read.source, pairs, ["prompt", "completion"], [], 0, [], {}, read.set_notes)

    def _choose_plan(self, read: ReadFile, inspection: Inspection, target: TrainingFormat) -> tuple[Plan | None, bool]:
        if read.is_chat:
            chosen = self._choose_findings(inspection, set())
            return chosen, bool(chosen.fixes)
        examination = examine_rows(read.store, read.columns, inspection.profile)
        for outcome in examination.outcomes:
            if outcome.error:
                self._streams.errors.write(f"\n\nERROR in {outcome.name} validator: {outcome.error}\n")
                if outcome.name == "necessary_column":
                    self._streams.errors.write(f"{suggest_columns(read.columns).strip()}\n")
                self._streams.errors.write("\nAborting...")
                return None, False
            self._streams.output.write(outcome.message or "")
        outcomes = tuple(
            o for o in examination.outcomes if target == "completion" or not (o.fix and o.fix.code in COMPLETION_ONLY)
        )
        plan, any_applied = ask_for_fixes(outcomes, examination.necessary, self._streams)
        extra = self._choose_findings(inspection, {fix.code for fix in plan.fixes})
        return extra.adding(*plan.fixes), any_applied or bool(extra.fixes)

    def _choose_findings(self, inspection: Inspection, taken: set[str]) -> Plan:
        """The fixes named on the command line; in a conversation, those that are agreed to."""
        named = {fix.code for fix in finding_fixes(inspection, self._options.chosen)}
        fixes = [
            finding.fix
            for finding in inspection.findings
            if finding.fix and finding.code not in taken and (finding.code in named or self._agrees(finding))
        ]
        return Plan(tuple(fixes))

    def _agrees(self, finding: Finding) -> bool:
        if self._options.quiet or finding.fix is None:
            return False
        deed = finding.fix.kind.replace("_", " ")
        return self._streams.ask(f"- [{finding.severity}] {finding.reason}: {deed} ({len(finding.row_ids)}) [Y/n]: ")

    def _finish(
        self, read: ReadFile, inspection: Inspection, plan: Plan, any_applied: bool, target: TrainingFormat
    ) -> int:
        final, profile = build_rows(read.store, plan, target, read.is_chat, self._options.system)
        self._stores.append(final)
        contract = find_contract(profile, target)
        counts = {"rows read": read.store.row_count, "rows kept": final.row_count}
        sureness = " (guessed)" if read.source.guess else ""
        source = {
            "format": read.source.format,
            "encoding": read.source.encoding + sureness,
            "columns": ", ".join(read.columns),
        }
        views = view_first_rows(final, inspection.tokenizer, is_chat=target == "chat", at_most=SHOWN_VIEWS)
        self.summary = summarise(self._path.name, source, counts, inspection, contract, views)
        self._streams.output.write("\n")
        print_summary(self._console, self.summary)
        self._write(final, inspection, any_applied, profile)
        return 0

    def _write(self, final: RowStore, inspection: Inspection, any_applied: bool, profile: PairProfile | None) -> None:
        """Write the rows; they are pairs where they have a `profile`."""
        share = self._options.validation_share
        if profile is not None and not share:
            rows = PreparedRows(final, profile, any_applied or not self._is_ready)
            write_out(str(self._path), rows, self._streams.output, self._streams.ask, free_names)
            return
        if not self._streams.ask("\n\nYour data will be written to a new JSONL file. Proceed [Y/n]: "):
            self._streams.output.write("Aborting... did not write the file\n")
            return
        names = [Path(name) for name in free_names(str(self._path), ("_train", "_valid") if share else ("",))]
        split = split_prepared(final, inspection, share, self._options.seed, self._options.stratify) if share else None
        files = write_files(
            final, "chat" if profile is None else "completion", names[0], names[1] if share else None, split
        )
        self._streams.output.write(f"\nWrote {files.train_count} rows to {files.train}\n")
        if files.validation:
            self._streams.output.write(f"Wrote {files.validation_count} rows to {files.validation}\n")
