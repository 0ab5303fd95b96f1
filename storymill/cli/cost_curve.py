"""Draw what two ways of answering cost, call by call, with characters."""

from typing import Any

import plotext
from rich.console import Group, RenderableType
from rich.text import Text

BASE_COLOUR, TUNED_COLOUR = "orange", "cyan"
LEGEND = (("orange1", "base model"), ("cyan", "tuned model, what it cost included"))
TICKS = 5
SMALLEST_WIDTH, SMALLEST_HEIGHT = 40, 8


def draw_costs(points: list[dict[str, Any]], width: int, height: int) -> RenderableType:
    """Return the two lines over the number of calls, in US dollars, with their legend below."""
    calls = [float(point["calls"]) for point in points]
    figure = plotext.figure
    figure.clear()
    figure.theme("simple")
    figure.plot_size(max(SMALLEST_WIDTH, width), max(SMALLEST_HEIGHT, height))
    figure.legend(False)
    for field, colour in (("base_usd", BASE_COLOUR), ("tuned_usd", TUNED_COLOUR)):
        marker = plotext.marker("braille", pixel=colour)
        figure.draw(figure.signal(calls, [point[field] for point in points], marker=marker).lines(True))
    ticks = calls[:: max(1, (len(calls) - 1) // TICKS)]
    figure.ruler("x", "lower").ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    legend = Text("  ")
    for colour, name in LEGEND:
        legend.append("━ ", style=colour).append(f"{name}   ")
    legend.append("US dollars over calls", style="dim")
    return Group(Text.from_ansi(str(figure.build().string()).rstrip("\n")), legend)
