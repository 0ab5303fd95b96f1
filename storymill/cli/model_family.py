"""Trees and forgetting matrices in the terminal. Knows no gateway."""

from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from storymill.cli.terminal import add_row, make_columns, print_list, say
from storymill.cli.words import count_of, describe_state, format_usd

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
    if node["is_deleted"]:
        line.append("  (deleted)", style="dim")
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


def print_matrix(matrix: dict[str, Any]) -> None:
    """Print the forgetting matrix: for the held-out rows of each model of the line, how every model does on them."""
    for place, file in enumerate(matrix["validation_files"]):
        say(f"held-out rows of {file['of_model']}: loss per token, tokens right, change against it", style="bold")
        columns = make_columns("model", "loss", "right", "change", right=("loss", "right"))
        for row in matrix["rows"]:
            add_row(columns, row["model"], *describe_cell(row["cells"][place]))
        print_list(columns)


def describe_cell(cell: dict[str, Any]) -> tuple[str, str, str]:
    """Return one measurement: loss, tokens held most likely, change; or how it stands."""
    if cell["loss"] is None:
        status = describe_state(cell["status"]) if cell["status"] else "not measured"
        return (cell["error"] or {}).get("message") or status, "", ""
    return f"{cell['loss']:.3f}", f"{cell['token_accuracy']:.0%}", describe_change(cell["loss_change"])


def describe_change(change: float | None) -> str:
    """Return how much worse a model is than the one that learned those rows."""
    if not change:
        return ""
    judged = "much worse" if change > MUCH_WORSE else "worse" if change > WORSE else "as good"
    return f"{change:+.3f}, {judged}"
