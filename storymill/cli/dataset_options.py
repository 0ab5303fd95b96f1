"""What `storymill datasets prepare` may be told of its sources."""

from typing import Annotated

import typer

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Files, folders, patterns, - (standard input), hf:DIR (a dataset's folder), or a run: gen_…"),
]
FromOption = Annotated[list[str] | None, typer.Option("--from", help="A source too (again and again).")]
ShareOption = Annotated[float | None, typer.Option(min=0.0, max=0.5, help="Hold out this share (of a run: 0.1).")]
PromptFieldOption = Annotated[
    str | None,
    typer.Option(
        "--prompt-field",
        "--prompt-column",
        help="Where the prompt stands: a column, a path such as messages.0.content, or several with commas.",
    ),
]
CompletionFieldOption = Annotated[
    str | None, typer.Option("--completion-field", "--completion-column", help="Where the completion stands.")
]
EncodingOption = Annotated[str | None, typer.Option(help="What the files are written in, such as cp1252.")]
SheetOption = Annotated[str | None, typer.Option(help="Of a workbook: the sheet's name, or its number from 1.")]
PreviewOption = Annotated[
    int, typer.Option(min=0, max=1000, help="Show so many rows as they would be read; write nothing.")
]
