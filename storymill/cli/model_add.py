"""`storymill models add`: makes a model's folder the engine's base, from the next `up` on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from storymill.cli.next_steps import START
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import console, say_command
from storymill.launcher.engine_model import EngineModel, keep_engine_model
from storymill.launcher.services import build_python_environment
from storymill.launcher.state_dir import find_state_dir


def add(
    folder: Annotated[str, typer.Argument(help="A model's folder (config.json, weights, tokenizer), or a hub id.")],
    name: Annotated[str, typer.Option("--as", help="What clients call it; by default the folder's last part.")] = "",
    probe: Annotated[bool, typer.Option(help="Look first whether it can be served.")] = True,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Let the engine serve a model of your own from the next `storymill up` on; one base at a time."""
    path = Path(folder).expanduser()
    source = str(path.resolve()) if path.exists() else folder
    if probe:
        command = [sys.executable, "-m", "services.engine.admission", source]
        ended = subprocess.run(command, env={**os.environ, **build_python_environment()}, check=False)
        if ended.returncode != 0:
            raise typer.Exit(ended.returncode)
    keep_engine_model(find_state_dir(state_dir).root, EngineModel(source, name))
    console.print(f"The next `storymill up` serves {name or source.rstrip('/').rsplit('/', 1)[-1]}.", markup=False)
    say_command(*START)
