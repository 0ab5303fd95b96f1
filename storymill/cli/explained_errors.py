"""Turn the errors that are meant for people into one message and exit code 1, for every command."""

import sys
from typing import Any

from rich.console import Console
from typer.core import TyperGroup

from storymill.client.errors import ClientError
from storymill.launcher.errors import LauncherError


class ExplainingGroup(TyperGroup):
    """The root command. Other errors keep their traceback: they are bugs."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        try:
            return super().main(*args, **kwargs)
        except (LauncherError, ClientError) as error:
            print_error(str(error))
            sys.exit(1)


def print_error(text: str) -> None:
    """Write a message to standard error, as it is: square brackets in it are no markup."""
    Console(stderr=True).print(f"Error: {text}", style="red", markup=False, highlight=False, soft_wrap=True)
