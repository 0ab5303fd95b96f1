"""Run one short program of a start to its end: migrations, the first API key."""

import asyncio
from pathlib import Path

from storymill.launcher.child_command import build_child_command
from storymill.launcher.child_environment import build_child_environment
from storymill.launcher.errors import StartError
from storymill.launcher.log_file import LINES_OF_LOG_TO_SHOW, read_tail

STEP_TIMEOUT_SECONDS = 120.0


async def run_step(
    name: str, command: list[str], environment: dict[str, str], log_file: Path, *, standard_input: str = ""
) -> str:
    """Return what the program printed. Raises: StartError with its last words when it fails."""
    try:
        exit_code, output = await run_to_end(command, environment, log_file, standard_input)
    except TimeoutError as error:
        raise StartError(f"{name} took longer than {STEP_TIMEOUT_SECONDS:g} s; see {log_file}") from error
    if exit_code != 0:
        last_words = "\n".join(read_tail(log_file, LINES_OF_LOG_TO_SHOW))
        raise StartError(f"{name} failed (exit {exit_code}); {log_file} ends with:\n{last_words}")
    return output


async def run_to_end(
    command: list[str], environment: dict[str, str], log_file: Path, standard_input: str = ""
) -> tuple[int, str]:
    """Return exit code and standard output; standard error goes to the log."""
    with log_file.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *build_child_command(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=build_child_environment(environment, keeps_secrets=False),
            start_new_session=True,
        )
        try:
            output, _ = await asyncio.wait_for(
                process.communicate(standard_input.encode()), timeout=STEP_TIMEOUT_SECONDS
            )
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            await process.wait()
            raise
    return process.returncode or 0, output.decode()
