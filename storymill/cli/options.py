"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATE_DIR = Path(".storymill")

StateDirOption = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        envvar="STORYMILL_STATE_DIR",
        help="Where databases, logs, weights and credentials are kept.",
        show_default=str(DEFAULT_STATE_DIR),
    ),
]
