"""`python -m services.preparation.local.command FILE`: prepare a file on this machine, with no server running."""

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from services.preparation.conversation.dialogue import Streams, prepare_like_the_public_tool
from services.preparation.errors import DatasetError
from services.preparation.reading.choices import ReadingChoices


class FormatChoice(Enum):
    """The formats that the option takes."""

    COMPLETION = "completion"
    CHAT = "chat"


def prepare(
    files: Annotated[
        list[Path], typer.Argument(help="csv, tsv, xlsx, xls, ods, txt, json, jsonl, parquet or arrow, also gzipped")
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Accept every recommendation, ask nothing.")] = False,
    parity: Annotated[bool, typer.Option(help="Do and print just what the public tool did, nothing more.")] = False,
    target: Annotated[FormatChoice | None, typer.Option("--format", help="As the source is, unless given.")] = None,
    model: Annotated[str, typer.Option(help="Whose tokens are counted and whose limit applies.")] = "gpt-3.5-turbo",
    apply: Annotated[list[str] | None, typer.Option(help="Apply the fix of this finding too; `all` for every.")] = None,
    validation_share: Annotated[float, typer.Option(min=0.0, max=0.5, help="Hold out this share, leak-free.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    stratify: Annotated[str | None, typer.Option(help="Hold out the same share of every value of this column.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message for rows that become chat.")] = None,
    encoding: Annotated[str | None, typer.Option(help="What FILE is written in, such as cp1252 or gb18030.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook: the sheet's name, or its number from 1.")] = None,
    prompt_field: Annotated[str | None, typer.Option(help="The prompt's column, or a path: messages.0.content")] = None,
    completion_field: Annotated[str | None, typer.Option(help="The completion's column, or a path.")] = None,
    preview: Annotated[int, typer.Option(min=0, max=1000, help="Show so many rows as read; write nothing.")] = 0,
    name: Annotated[Path | None, typer.Option(help="What the written files are called by; the first source.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as an HTML page.")] = None,
    summary_json: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
) -> None:
    """Check FILES and make training files of their rows, beside them; the sources are never changed."""
    streams = Streams(sys.stdout, sys.stderr, _accept if quiet else _ask)
    if parity:
        raise typer.Exit(prepare_like_the_public_tool(str(files[0]), streams))
    # Deferred: the findings' libraries take half a second to import, which the public tool's checks can do without.
    from rich.console import Console  # noqa: PLC0415

    from services.preparation.local.local_run import LocalRun, RunOptions  # noqa: PLC0415

    chosen = frozenset(apply or ())
    wanted = None if target is None else target.value
    choices = ReadingChoices(encoding, sheet, prompt_field, completion_field)
    options = RunOptions(wanted, model, chosen, validation_share, seed, stratify, system, quiet, choices, preview)
    try:
        with LocalRun(files, options, streams, Console(), name=name) as run:
            status = run.run()
            if run.summary and report:
                run.write_page(report)
            if run.summary and summary_json:
                summary_json.write_text(json.dumps(run.summary.to_json(), ensure_ascii=False, indent=1))
    except DatasetError as error:
        where = f" (line {error.line}, column {error.column or 1})" if error.line else ""
        sys.stderr.write(f"{error.message}{where}\n")
        raise typer.Exit(1) from error
    raise typer.Exit(status)


def _accept(question: str) -> bool:
    sys.stdout.write(f"{question}Y\n")
    return True


def _ask(question: str) -> bool:
    sys.stdout.write(question)
    sys.stdout.flush()
    return input().lower() != "n"


if __name__ == "__main__":
    typer.run(prepare)
