"""Trees and forgetting matrices in the terminal. Knows no gateway."""

from typing import Any, Final

from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree

from storymill.cli.words import count_of, format_usd

WORSE: Final = 0.05
MUCH_WORSE: Final = 0.25
"""Nats per token above the ancestor's own loss."""


def draw_tree(tree: dict[str, Any]) -> Tree:
    """Return the line of a model, its base at the root."""
    drawn = Tree(Text(f"{tree['base_model']} (base)", style="dim"))
    add_node(drawn, tree["root"])
    return drawn


def add_node(parent: Tree, node: dict[str, Any]) -> None:
    """Add a model and what came of it."""
    branch = parent.add(describe_node(node))
    for child in node["children"]:
        add_node(branch, child)


def describe_node(node: dict[str, Any]) -> Text:
    """Return one line on a model: names, data, losses, cost."""
    line = Text(node["model"], style="bold green" if node["is_asked"] else "strike" if node["is_deleted"] else "bold")
    if node["aliases"]:
        line.append(f"  ← {', '.join(node['aliases'])}", style="cyan")
    facts = [
        count_of(node["rows"], "row") if node["rows"] is not None else f"rows of {node['training_file']}",
        f"loss {node['train_loss']:.3f}" if node["train_loss"] is not None else "",
        f"validation {node['valid_loss']:.3f}" if node["valid_loss"] is not None else "",
        format_usd(node["cost_usd"]) if node["cost_usd"] is not None else "",
        f"replay {node['replay']['share']:.0%}" if node["replay"] else "",
        node["job"],
    ]
    line.append("\n" + " · ".join(fact for fact in facts if fact), style="dim")
    return line


def draw_matrix(matrix: dict[str, Any]) -> Table:
    """Return the forgetting matrix: losses, coloured by how much worse than the ancestor itself."""
    columns = [
        Column(f"rows of\n{column['of_model']}", overflow="fold", justify="right")
        for column in matrix["validation_files"]
    ]
    title = "loss per token on held-out rows (change against the model that learned them)"
    table = Table(Column("model", overflow="fold"), *columns, title=title)
    for row in matrix["rows"]:
        table.add_row(row["model"], *(describe_cell(cell) for cell in row["cells"]))
    return table


def describe_cell(cell: dict[str, Any]) -> Text:
    """Return one measurement, or how it stands."""
    if cell["loss"] is None:
        reason = (cell["error"] or {}).get("message") or cell["status"] or "–"
        return Text(reason, style="red" if cell["error"] else "dim")
    change = cell["loss_change"]
    if change is None or change == 0:
        return Text(f"{cell['loss']:.3f}\n{cell['token_accuracy']:.0%} right", style="bold")
    style = "red" if change > MUCH_WORSE else "yellow" if change > WORSE else "green"
    return Text(f"{cell['loss']:.3f} ({change:+.3f})\n{cell['token_accuracy']:.0%} right", style=style)
