"""The report as one HTML page that needs nothing else: no script, no font, no network."""

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from services.preparation.report.plots import bar_plot, histogram_plot
from services.preparation.report.summary import Summary


def render_page(summary: Summary) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("services.preparation.report", "."),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quote
    severities = {"error": 0, "warning": 0, "info": 0}
    for finding in summary.findings:
        severities[finding.severity] += 1
    return environment.get_template("page.html.j2").render(
        summary=summary,
        severities=severities,
        token_plot=histogram_plot(summary.token_histogram, "tokens per row"),
        length_plot=histogram_plot(summary.length_histogram, "characters per completion"),
        script_plot=bar_plot(summary.scripts, "rows by script"),
        finding_plot=bar_plot({f.code: len(f.row_ids) for f in summary.findings if f.row_ids}, "rows by finding"),
    )


def quote(text: str) -> str:
    r"""The text in quotes, line ends as `\n`; what people can read stays as it is."""
    return json.dumps(text, ensure_ascii=False)


def write_page(summary: Summary, path: Path) -> None:
    """Render a summary into one HTML file that loads nothing from elsewhere."""
    path.write_text(render_page(summary), encoding="utf-8")
