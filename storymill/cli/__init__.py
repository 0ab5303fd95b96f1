"""The `storymill` command: one module per group of commands, each adding its own to the app."""

import typer

from storymill.cli import (
    batches,
    connection,
    console,
    datasets,
    demo,
    fine_tune,
    fine_tunes,
    generate,
    generations,
    keys,
    lifecycle,
    limits,
    logs,
    models,
    prices,
    providers,
    recipes,
    roi,
    secrets,
    stories,
    streams,
    usage,
)
from storymill.cli.explained_errors import ExplainingGroup

app = typer.Typer(
    cls=ExplainingGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="A self-hosted mill for text: generate at volume, prepare, fine-tune, stream.",
)
connection.add_options(app)
lifecycle.add_commands(app)
demo.add_commands(app)
logs.add_commands(app)
console.add_commands(app)
keys.add_commands(app)
secrets.add_commands(app)
recipes.add_commands(app)
generate.add_commands(app)
generations.add_commands(app)
batches.add_commands(app)
stories.add_commands(app)
datasets.add_commands(app)
fine_tune.add_commands(app)
fine_tunes.add_commands(app)
streams.add_commands(app)
models.add_commands(app)
usage.add_commands(app)
prices.add_commands(app)
providers.add_commands(app)
limits.add_commands(app)
roi.add_commands(app)
