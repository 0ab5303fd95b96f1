"""The forgetting matrix: a model and its ancestors on the validation files of its line."""

import asyncio
from collections.abc import Sequence

from services.gateway.models.service import get_tuned
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.queue.messages import EvaluateModel
from shared.http.answers import Json
from shared.stores.db.models import Model, ModelEvaluation
from shared.stores.db.repositories import evaluations, registry

Cells = dict[tuple[str, str], ModelEvaluation]


async def describe_forgetting(gateway: Gateway, caller: Principal, name: str) -> Json:
    """Return the matrix: rows are models, columns the validation files, the oldest first. Raises: NotFoundError when it
    is no tuned model of the project."""
    line, cells = await load_matrix(gateway, caller, name)
    measured = [model for model in line if model.validation_file_id is not None]
    return {
        "object": "model.forgetting",
        "model": line[-1].name,
        "validation_files": [{"file": model.validation_file_id, "of_model": model.name} for model in measured],
        "rows": [shape_row(model, measured, cells) for model in line],
        "is_complete": all(cells[cell].status == "succeeded" for cell in list_wanted(line) if cell in cells)
        and all(cell in cells for cell in list_wanted(line)),
        "notes": explain_gaps(line),
    }


async def queue_missing(gateway: Gateway, caller: Principal, name: str) -> None:
    """Queue the cells that are missing or failed, and send all that wait to the workers. Raises: NotFoundError when it
    is no tuned model of the project."""
    model = await get_tuned(gateway, caller, name)
    async with gateway.database.transaction() as session:
        line = await registry.list_line(session, model)
        wanted = evaluations.list_cells(line)
        await evaluations.queue_matrix(session, line, caller.api_key_id)
        await evaluations.requeue_failed(session, caller.project_id, wanted)
        found = await evaluations.list_evaluations(session, caller.project_id, wanted)
    waiting = [one.id for one in found if one.status == "queued"]
    await asyncio.gather(*(gateway.sender.send(EvaluateModel(evaluation_id)) for evaluation_id in waiting))


async def load_matrix(gateway: Gateway, caller: Principal, name: str) -> tuple[list[Model], Cells]:
    """Return a model's line, the oldest first, and what was measured on it. Raises: NotFoundError when it is no tuned
    model of the project."""
    model = await get_tuned(gateway, caller, name)
    async with gateway.database.transaction() as session:
        line = await registry.list_line(session, model)
        everything = [
            (one.name, other.validation_file_id)
            for one in line
            for other in line
            if other.validation_file_id is not None
        ]
        found = await evaluations.list_evaluations(session, caller.project_id, everything)
    return line[::-1], {(one.model, one.file_id): one for one in found}


def list_wanted(line: Sequence[Model]) -> list[tuple[str, str]]:
    """Return the cells that say what the newest of a line forgot."""
    return evaluations.list_cells(line[::-1])


def shape_row(model: Model, columns: Sequence[Model], cells: Cells) -> Json:
    """Return one model on every file."""
    return {"model": model.name, "cells": [shape_cell(model, column, cells) for column in columns]}


def shape_cell(model: Model, column: Model, cells: Cells) -> Json:
    """Return a model on an ancestor's file; `loss_change` is how much worse than that ancestor itself."""
    found = find_cell(cells, model, column)
    own = find_cell(cells, column, column)
    change = None
    if found and own and found.loss is not None and own.loss is not None:
        change = found.loss - own.loss
    return {
        "file": column.validation_file_id,
        "evaluation": found.id if found else None,
        "status": found.status if found else None,
        "loss": found.loss if found else None,
        "token_accuracy": found.token_accuracy if found else None,
        "rows": found.rows if found else None,
        "loss_change": change,
        "error": found.error if found else None,
    }


def find_cell(cells: Cells, model: Model, column: Model) -> ModelEvaluation | None:
    """Return what was measured of a model on another's file."""
    return cells.get((model.name, column.validation_file_id)) if column.validation_file_id else None


def explain_gaps(line: Sequence[Model]) -> list[str]:
    """Return why columns are missing."""
    return [
        f"'{model.name}' has no validation file, so nothing can be measured on its data"
        for model in line
        if model.validation_file_id is None
    ]
