"""Draw the curves of a fine-tuning job with characters: losses on the left axis, accuracies on the right."""

import plotext
from rich.console import Group, RenderableType
from rich.text import Text

from storymill.cli.tuning_series import Series

COLOURS = {
    ("loss", "training"): "cyan",
    ("loss", "validation"): "orange",
    ("accuracy", "training"): "green",
    ("accuracy", "validation"): "magenta",
}
LEGEND_COLOURS = {"orange": "orange1"}
SMALLEST_WIDTH, SMALLEST_HEIGHT = 40, 8


def draw_curve(series: list[Series], width: int, height: int) -> RenderableType:
    """Return the plot with its legend below, `height` lines in all."""
    if not series:
        return Text("no step has been measured yet", style="dim")
    plot = Text.from_ansi(plot_characters(series, max(SMALLEST_WIDTH, width), max(SMALLEST_HEIGHT, height) - 1))
    return Group(plot, describe_series(series))


def plot_characters(series: list[Series], width: int, height: int) -> str:
    """Return the plot as lines with colour codes."""
    figure = plotext.figure
    figure.clear()
    figure.theme("simple")
    figure.plot_size(width, height)
    figure.legend(False)
    for one in series:
        smooth = one.smooth()
        marker = plotext.marker("braille", pixel=COLOURS[one.kind, one.side])
        axis = "left" if one.kind == "loss" else "right"
        figure.draw(figure.signal(smooth.steps, smooth.values, marker=marker, yside=axis).lines(True))
    return str(figure.build().string()).rstrip("\n")


def describe_series(series: list[Series]) -> Text:
    """Return the legend, with the newest values."""
    legend = Text("  ")
    for one in series:
        colour = COLOURS[one.kind, one.side]
        value = f"{one.smooth().values[-1]:.3f}" if one.kind == "loss" else f"{one.smooth().values[-1]:.1%}"
        legend.append("━ ", style=LEGEND_COLOURS.get(colour, colour)).append(f"{one.name} {value}   ")
    return legend
