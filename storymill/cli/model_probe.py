"""`storymill models probe`: says whether a model's folder could be served, and what it is. Needs no running mill."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from storymill.cli.next_steps import after_probe
from storymill.cli.terminal import say_command
from storymill.launcher.services import build_python_environment


def probe(
    folder: Annotated[str, typer.Argument(help="A model's folder (config.json, weights, tokenizer), or a hub id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole admission record.")] = False,
) -> None:
    """Load a base model, compare what the engine makes of it, tune it for ten steps, and print what was found."""
    command = [sys.executable, "-m", "services.engine.admission", folder, *(["--json"] if as_json else [])]
    ended = subprocess.run(command, env={**os.environ, **build_python_environment()}, check=False)
    if ended.returncode == 0 and not as_json:
        say_command(*after_probe(folder))
    raise typer.Exit(ended.returncode)
