"""Turn the errors that are meant for people into one message, the next command and exit code 1, for every command."""

import sys
from typing import Any, Final

from rich.console import Console
from typer.core import TyperGroup

from storymill.cli.next_steps import after_error
from storymill.cli.option_names import naming_options
from storymill.cli.terminal import accept_every_encoding, say, say_command
from storymill.client.errors import ApiError, ClientError
from storymill.launcher.errors import LauncherError

BASE_URL_OPTION: Final = "--base-url"
NAMES_COMMAND: Final = "storymill "
"""What stands in a message that names a command."""


class ExplainingGroup(TyperGroup):
    """The root command. Other errors keep their traceback: they are bugs."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        accept_every_encoding()
        name_options_below(self)
        given = args[0] if args else kwargs.pop("args", None)
        words = list(sys.argv[1:] if given is None else given)
        try:
            return super().main(put_base_url_first(words), *args[1:], **kwargs)
        except (LauncherError, ClientError) as error:
            print_error(str(error))
            name_next(error, find_command(self, words))
            sys.exit(1)


def put_base_url_first(words: list[str]) -> list[str]:
    """Let the root's option stand anywhere, as --state-dir does; what follows `--` is left alone."""
    end = words.index("--") if "--" in words else len(words)
    for place, word in enumerate(words[:end]):
        if word == BASE_URL_OPTION or word.startswith(f"{BASE_URL_OPTION}="):
            after = place + (2 if word == BASE_URL_OPTION else 1)
            return [*words[place:after], *words[:place], *words[after:]]
    return words


def name_options_below(command: Any) -> None:
    """Have every command of a group tell refused requests with its own options."""
    for inner in getattr(command, "commands", {}).values():
        name_options_below(inner)
    if command.callback is not None:
        command.callback = naming_options(command.callback, command.params)


def find_command(group: Any, words: list[str]) -> list[str]:
    """Return the words that name the command, of all that were typed."""
    found: list[str] = []
    for word in words:
        inner = getattr(group, "commands", {}).get(word)
        if inner is not None:
            group, found = inner, [*found, word]
    return found


def name_next(error: LauncherError | ClientError, words: list[str]) -> None:
    """Write what to do next to standard error, unless the message says so itself."""
    if NAMES_COMMAND not in str(error):
        status, param = (error.status, error.param) if isinstance(error, ApiError) else (None, None)
        say_command(*after_error(words, status, param), to=Console(stderr=True))


def print_error(text: str) -> None:
    """Write a message to standard error."""
    say(f"Error: {text}", style="red", to=Console(stderr=True))
