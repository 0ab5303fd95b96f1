"""The report in the terminal."""

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.preparation.findings.board import Finding
from services.preparation.report.summary import Histogram, Summary
from services.preparation.tokenizers.model_view import ModelView

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
BAR_WIDTH = 40
SHOWN_BINS = 12


def print_summary(console: Console, summary: Summary) -> None:
    """Print counts, findings, token histogram, template contract and one row as the model sees it."""
    console.print(Panel(_counts(summary), title=summary.title, title_align="left", expand=False))
    console.print(_findings(summary.findings))
    exactness = "" if summary.is_exact else ", an estimate: the model's own encoding is not at hand"
    console.print(Text(f"Tokens per row ({summary.encoding} for {summary.model}{exactness})", style="bold"))
    console.print(_bars(summary.token_histogram))
    for view in summary.examples[:1]:
        console.print(Panel(show_view(view), title="As the model sees it (learnt part in green)", title_align="left"))


def _counts(summary: Summary) -> Group:
    spread, contract, estimate = summary.tokens, summary.contract, summary.estimate
    counted = ", ".join(f"{count} {name}" for name, count in summary.counts.items())
    return Group(
        f"{counted} · {summary.task_type}",
        f"tokens: {spread['total']:.0f} in all, median {spread['median']:.0f}, "
        f"p95 {spread['p95']:.0f}, max {spread['max']:.0f}",
        f"training: {estimate.epochs} epochs by default, {estimate.billed_tokens} tokens billed",
        Text(f"format {contract.format}, separator {contract.separator!r}, stop {contract.stop!r}"),
    )


def _findings(findings: tuple[Finding, ...]) -> Table | Text:
    if not findings:
        return Text("No findings.", style="green")
    table = Table("", "finding", "rows", "why", "fix", title="Findings", title_justify="left")
    for finding in findings:
        rows = ", ".join(map(str, finding.row_ids[:5])) + (" …" if len(finding.row_ids) > 5 else "")
        count = f"{len(finding.row_ids)}: {rows}" if finding.row_ids else "all"
        why = Text(finding.reason)
        if finding.examples:
            why.append(f"\n{finding.examples[0].excerpt}", style="dim")
        colour = COLOURS[finding.severity]
        fix = finding.fix.kind.replace("_", " ") if finding.fix else ""
        table.add_row(Text(finding.severity, style=colour), finding.code, count, why, fix)
    return table


def _bars(histogram: Histogram) -> Text:
    counts, edges = _fold(histogram)
    largest = max(counts, default=0) or 1
    text = Text()
    for i, count in enumerate(counts):
        bar = "█" * max(round(BAR_WIDTH * count / largest), 1 if count else 0)
        text.append(f"{edges[i]:>8.0f}–{edges[i + 1]:<8.0f} {bar} {count}\n")
    return text


def _fold(histogram: Histogram) -> tuple[list[int], list[float]]:
    """At most twelve bins: neighbours are added up."""
    step = -(-len(histogram.counts) // SHOWN_BINS) or 1
    counts = [sum(histogram.counts[i : i + step]) for i in range(0, len(histogram.counts), step)]
    edges = [histogram.edges[i] for i in range(0, len(histogram.counts), step)]
    return counts, [*edges, histogram.edges[-1]]


def show_view(view: ModelView) -> Text:
    """The tokens, alternating in shade; what is learnt in green."""
    text = Text()
    for i, piece in enumerate(view.pieces[:400]):
        shade = "" if i % 2 else "underline "
        text.append(piece.text.replace("\n", "⏎\n"), style=f"{shade}{'green' if piece.is_trained else 'dim'}")
    text.append(
        f"\n{view.token_count} tokens, {view.trained_count} learnt, {view.billed_count} billed per epoch", "bold"
    )
    return text
