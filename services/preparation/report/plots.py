"""Plots as inline SVG."""

from markupsafe import Markup, escape

from services.preparation.report.summary import Histogram

WIDTH, HEIGHT, MARGIN = 520, 180, 28
ROW_HEIGHT = 22
LABEL_WIDTH = 180


def histogram_plot(histogram: Histogram, label: str) -> Markup:
    """Upright bars over equal bins."""
    counts, edges = histogram.counts, histogram.edges
    if not counts:
        return Markup("")
    largest = max(counts) or 1
    step = (WIDTH - 2 * MARGIN) / len(counts)
    bars = Markup("").join(
        Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{:.0f}–{:.0f}: {}</title></rect>'
        ).format(
            MARGIN + i * step,
            HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * count / largest,
            max(step - 1, 1),
            (HEIGHT - 2 * MARGIN) * count / largest,
            edges[i],
            edges[i + 1],
            count,
        )
        for i, count in enumerate(counts)
    )
    return Markup(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{bars}<text x="{m}" y="{b}">{low:.0f}</text>'
        '<text x="{r}" y="{b}" text-anchor="end">{high:.0f}</text>'
        '<text x="{m}" y="16">{label}, most: {largest}</text></svg>'
    ).format(
        w=WIDTH, h=HEIGHT, label=label, bars=bars, m=MARGIN, b=HEIGHT - 8, r=WIDTH - MARGIN, low=edges[0],
        high=edges[-1], largest=largest,
    )  # fmt: skip


def bar_plot(counts: dict[str, int], label: str) -> Markup:
    """Lying bars with names."""
    if not counts:
        return Markup("")
    largest = max(counts.values()) or 1
    room = WIDTH - LABEL_WIDTH - 60
    rows = Markup("").join(
        Markup(
            '<text x="{x}" y="{ty}" text-anchor="end">{name}</text><rect x="{bx}" y="{y}" width="{w:.1f}" height="16"/>'
            '<text x="{cx:.1f}" y="{ty}">{count}</text>'
        ).format(
            x=LABEL_WIDTH - 6,
            ty=i * ROW_HEIGHT + 38,
            name=escape(name),
            bx=LABEL_WIDTH,
            y=i * ROW_HEIGHT + 26,
            w=room * count / largest,
            cx=LABEL_WIDTH + room * count / largest + 6,
            count=count,
        )
        for i, (name, count) in enumerate(counts.items())
    )
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><text x="6" y="16">{}</text>{}</svg>').format(
        WIDTH, len(counts) * ROW_HEIGHT + 36, label, label, rows
    )
