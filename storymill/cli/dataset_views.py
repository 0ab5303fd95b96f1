"""What is shown of a dataset: its counts, its template and its findings."""

from typing import Any

from rich.table import Column, Table

from storymill.cli.model_facts import describe_template
from storymill.cli.next_steps import FIRST_DATASET, after_dataset, after_newest
from storymill.cli.terminal import add_row, console, make_columns, print_broad, print_list, say
from storymill.cli.words import count_of, describe_cost, describe_state

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}


def print_datasets(datasets: list[dict[str, Any]]) -> None:
    """Print datasets, one a line."""
    numbers = ("rows", "held out", "findings")
    columns = make_columns("id", "status", ("format", 2), "rows", ("held out", 3), ("findings", 1), right=numbers)
    for dataset in datasets:
        counts, findings = dataset["counts"] or {}, dataset["findings"]
        sizes = (counts.get("train"), counts.get("validation"), None if findings is None else len(findings))
        names = (dataset["id"], describe_state(dataset["status"]), dataset["format"] or "")
        add_row(columns, *names, *("" if size is None else f"{size:,}" for size in sizes))
    print_list(columns, following=after_newest(datasets, after_dataset, FIRST_DATASET))


def print_dataset(dataset: dict[str, Any]) -> None:
    """Print a dataset: state, counts, template, files, findings."""
    console.print(f"dataset {dataset['id']}: {describe_state(dataset['status'])}", style="bold", highlight=False)
    if dataset["error"]:
        say(dataset["error"]["message"], style="red")
    if not dataset["counts"]:
        return
    counts, cost = dataset["counts"], dataset["cost_usd"]
    say(f"rows: {describe_counts(counts)}")
    missed = describe_missed_share(counts, dataset["options"].get("validation_share"))
    if missed:
        say(missed, style="yellow")
    say(f"format: {dataset['template']['format']}, {describe_template(dataset['template'])}")
    say(f"version {dataset['version']}, {describe_cost(cost)}")
    if dataset["cost_note"]:
        say(dataset["cost_note"], style="yellow")
    say(f"files: {', '.join(f'{name} {file_id}' for name, file_id in dataset['files'].items() if file_id)}")
    say(f"fixes: {', '.join(name.replace('_', ' ') for name in dataset['fixes']) or 'none'}")
    print_findings(dataset["findings"])


def describe_counts(counts: dict[str, int]) -> str:
    """Return how many rows were read, kept, and stand on either side."""
    read, kept = counts.get("rows", 0), counts.get("kept", 0)
    dropped = f" ({count_of(read - kept, 'row')} left out)" if kept < read else ""
    return f"{kept:,} of {read:,}{dropped}: {counts['train']:,} to train on, {counts['validation']:,} held out"


def describe_missed_share(counts: dict[str, int], share: float | None) -> str | None:
    """Return why less or more was held out than asked for; None where it is about so much."""
    kept, held = counts.get("kept", 0), counts["validation"]
    if not share:
        return None if held else "Nothing is held out to measure on: --validation-share 0.1 keeps a tenth apart."
    if not kept or abs(held - share * kept) <= max(1.0, share * kept / 2):
        return None
    return (
        f"{held:,} of {kept:,} are held out where {share:.0%} were asked for: rows of one prompt, and rows that are "
        "nearly alike, stay on one side."
    )


def print_findings(findings: list[dict[str, Any]]) -> None:
    """Print what was found, the gravest first."""
    if not findings:
        say("no findings", style="green")
        return
    whole = (Column(name, no_wrap=True) for name in ("", "finding", "rows"))
    table = Table(*whole, "why", Column("fix", no_wrap=True), box=None, pad_edge=False)
    for finding in findings:
        style = SEVERITY_STYLES[finding["severity"]]
        severity = f"[{style}]{finding['severity']}[/{style}]"
        fix = (finding["fix"] or "").replace("_", " ")
        table.add_row(
            severity, finding["code"], f"{finding['count']:,}" if finding["count"] else "all", finding["reason"], fix
        )
    print_broad(table)
