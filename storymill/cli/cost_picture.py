"""Draw what two ways of answering cost as a PNG. Needs matplotlib (extra `plots`) and no display."""

from pathlib import Path
from typing import Any

from storymill.client.errors import ClientError

WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 7.0, 3.8, 130
LINES = (("base_usd", "#d9541e", "base model"), ("tuned_usd", "#1f77b4", "tuned model, what it cost included"))


def draw_cost_picture(points: list[dict[str, Any]], break_even_calls: int | None, target: Path) -> None:
    """Write both lines, and where they meet. Raises: ClientError without matplotlib, or where `target` cannot be
    written."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  an extra, and 0.3 s that no other command pays
    except ImportError as error:
        raise ClientError("Pictures need matplotlib: pip install 'storymill[plots]'.") from error
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    calls = [point["calls"] for point in points]
    for field, colour, name in LINES:
        axes.plot(calls, [point[field] for point in points], color=colour, linewidth=2, label=name)
    if break_even_calls is not None:
        axes.axvline(break_even_calls, color="#777777", linestyle=":", label=f"break-even: {break_even_calls:,} calls")
    axes.set_xlabel("calls")
    axes.set_ylabel("US dollars")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    try:
        figure.savefig(target, format="png")
    except OSError as error:
        raise ClientError(f"{target} cannot be written: {error.strerror}.") from error
