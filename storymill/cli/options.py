"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATE_DIR = Path(".storymill")
MOST_LISTED = 50

StateDirOption = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        envvar="STORYMILL_STATE_DIR",
        help="Where databases, logs, weights and credentials are kept.",
        show_default=str(DEFAULT_STATE_DIR),
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print every field as JSON, an object a line.")]
IdsOption = Annotated[bool, typer.Option("--ids", help="Print the ids alone, one a line.")]
LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]
