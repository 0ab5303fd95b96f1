"""`python -m storymill`: the same as the `storymill` command."""

from storymill.cli import app

app()
