"""Draw the curves of a fine-tuning job as a PNG. Needs matplotlib (extra `plots`) and no display."""

from pathlib import Path
from typing import TYPE_CHECKING

from storymill.cli.tuning_series import Series
from storymill.client.errors import ClientError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"training": "#1f77b4", "validation": "#d9541e"}
WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 9.0, 3.8, 130
AXIS_NAMES = {"loss": "loss (nats per token)", "accuracy": "token accuracy"}


def draw_picture(series: list[Series], title: str, target: Path) -> None:
    """Write losses and accuracies side by side; single steps are drawn faint, their average strong.

    Raises: ClientError without matplotlib, without a measured step, or where `target` cannot be written.
    """
    if not series:
        raise ClientError("No step has been measured: there is nothing to draw.")
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  an extra, and 0.3 s that no other command pays
    except ImportError as error:
        raise ClientError("Pictures need matplotlib: pip install 'storymill[plots]'.") from error
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH, layout="constrained")
    figure.suptitle(title, fontsize=11)
    kinds = [kind for kind in AXIS_NAMES if any(one.kind == kind for one in series)]
    for kind, axes in zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True):
        for one in (one for one in series if one.kind == kind):
            draw_series(axes, one)
        axes.set_xlabel("step")
        axes.set_ylabel(AXIS_NAMES[kind])
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    try:
        figure.savefig(target, format="png")
    except OSError as error:
        raise ClientError(f"{target} cannot be written: {error.strerror}.") from error


def draw_series(axes: "Axes", one: Series) -> None:
    """Draw one curve."""
    colour = COLOURS[one.side]
    marker = "o" if one.side == "validation" else None
    smooth = one.smooth()
    if smooth is not one:
        axes.plot(one.steps, one.values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(smooth.steps, smooth.values, color=colour, linewidth=2, marker=marker, markersize=4, label=one.side)
