"""The line of a tuned model as a tree: where it comes from, and what came of that."""

from collections import defaultdict
from collections.abc import Iterable

from services.gateway.models.service import get_tuned
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.http.answers import Json
from shared.stores.db.models import Model, ModelAlias
from shared.stores.db.repositories import aliases, model_facts, registry
from shared.stores.db.repositories.model_facts import TuningFacts


async def describe_tree(gateway: Gateway, caller: Principal, name: str) -> Json:
    """Return the tree from the first tuned ancestor down; the model asked for has `is_asked`. Raises: NotFoundError
    when it is no tuned model of the project."""
    asked = await get_tuned(gateway, caller, name)
    async with gateway.database.transaction() as session:
        line = await registry.list_line(session, asked)
        family = await registry.list_family(session, line[-1])
        facts = await model_facts.list_facts(session, family)
        leading = group_aliases(await aliases.list_aliases(session, caller.project_id))
    nodes = {model.id: shape_node(model, facts[model.id], leading[model.name]) for model in family}
    nodes[asked.id]["is_asked"] = True
    for model in family:
        if model.parent_id in nodes:
            nodes[model.parent_id]["children"].append(nodes[model.id])
    return {
        "object": "model.tree",
        "model": asked.name,
        "base_model": asked.base_model,
        "ancestors": [model.name for model in line[1:]],
        "root": nodes[line[-1].id],
    }


def group_aliases(found: Iterable[ModelAlias]) -> defaultdict[str, list[str]]:
    """Return aliases by the model that they mainly lead to."""
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for alias in found:
        grouped[alias.model].append(alias.alias)
    return grouped


def shape_node(model: Model, facts: TuningFacts, leading: list[str]) -> Json:
    """Return one model of a tree, its children still to come."""
    return {
        "model": model.name,
        "model_id": model.id,
        "legacy_name": model.legacy_name,
        "aliases": leading,
        "job": model.job_id,
        "dataset_version": model.dataset_version_id,
        "training_file": facts.training_file_id,
        "rows": facts.rows,
        "trained_tokens": facts.trained_tokens,
        "train_loss": facts.train_loss,
        "valid_loss": facts.valid_loss,
        "cost_usd": None if facts.cost_usd is None else float(facts.cost_usd),
        "replay": facts.replay,
        "created_at": unix_seconds(model.created_at),
        "is_deleted": model.deleted_at is not None,
        "is_asked": False,
        "children": [],
    }
