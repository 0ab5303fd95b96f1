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
    file: Annotated[Path, typer.Argument(help="csv, tsv, xlsx, txt, json, jsonl or parquet, also gzipped")],
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
    report: Annotated[Path | None, typer.Option(help="Write the report as an HTML page.")] = None,
    summary_json: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
) -> None:
    """Check FILE and make training files of it, beside it; the source is never changed."""
    streams = Streams(sys.stdout, sys.stderr, _accept if quiet else _ask)
    if parity:
        raise typer.Exit(prepare_like_the_public_tool(str(file), streams))
    # Deferred: the findings' libraries take half a second to import, which the public tool's checks can do without.
    from rich.console import Console  # noqa: PLC0415

    from services.preparation.local.local_run import LocalRun, RunOptions  # noqa: PLC0415

    chosen = frozenset(apply or ())
    wanted = None if target is None else target.value
    choices = ReadingChoices(encoding=encoding)
    options = RunOptions(wanted, model, chosen, validation_share, seed, stratify, system, quiet, choices)
    try:
        with LocalRun(file, options, streams, Console()) as run:
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
