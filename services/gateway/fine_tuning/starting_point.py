"""What a job is to start from: the model at its provider, the files, the dataset version behind them."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.interactive.texts import model_not_found
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError, NotFoundError
from shared.stores.db.repositories import dataset_versions, datasets, files, registry

FINE_TUNE: Final = "fine-tune"
NO_CANARY: Final = 1.0
"""A roll that no canary's share is above: training starts from what an alias mainly means."""


@dataclass(frozen=True, slots=True)
class StartModel:
    """The model that training starts from."""

    name: str
    """The provider's."""
    provider: str
    parent_id: str | None
    """Of the tuned model, if it is one of ours."""


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """The files of a job."""

    training: str
    validation: str | None
    dataset_version: str | None


async def find_start(gateway: Gateway, caller: Principal, name: str) -> StartModel:
    """Return what a name means as the start of a training. Raises: NotFoundError, also for another project's model."""
    async with gateway.database.transaction() as session:
        resolved = await registry.resolve_name(session, caller.project_id, name, NO_CANARY)
        if resolved.row is None and await registry.is_foreign(session, caller.project_id, resolved.model_name):
            raise model_not_found(name)
    listed = await gateway.catalog.find(resolved.model_name)
    if listed is None:
        raise model_not_found(name)
    return StartModel(resolved.model_name, listed.provider, resolved.row.id if resolved.row else None)


async def hold_files(session: AsyncSession, caller: Principal, request: JobRequest) -> TrainingFiles:
    """Return a job's files; nobody can delete them until the end of the transaction.

    Raises: NotFoundError for a dataset, InvalidRequestError for a file."""
    if request.dataset is not None:
        chosen = await choose_dataset_files(session, caller, request.dataset, request.validation_file)
    else:
        assert request.training_file is not None
        version = await dataset_versions.find_version_of_file(session, caller.project_id, request.training_file)
        chosen = TrainingFiles(request.training_file, request.validation_file, version)
    await hold_file(session, caller, chosen.training, "training_file")
    if chosen.validation is not None:
        await hold_file(session, caller, chosen.validation, "validation_file")
    return chosen


async def choose_dataset_files(
    session: AsyncSession, caller: Principal, dataset_id: str, validation_file: str | None
) -> TrainingFiles:
    """Return both sides of a dataset. Raises: NotFoundError, InvalidRequestError for one that is not ready."""
    dataset = await datasets.find_dataset(session, caller.project_id, dataset_id)
    if dataset is None:
        raise NotFoundError(f"No dataset '{dataset_id}' in this project.", param="dataset")
    if dataset.version_id is None:
        message = f"The dataset '{dataset_id}' is {dataset.status}: it has no rows to learn from."
        raise InvalidRequestError(message, param="dataset", code="dataset_not_ready")
    version = (await dataset_versions.list_versions(session, [dataset.version_id]))[dataset.version_id]
    return TrainingFiles(version.train_file_id, validation_file or version.validation_file_id, version.id)


async def hold_file(session: AsyncSession, caller: Principal, file_id: str, param: str) -> None:
    """Pass when a file can be trained on. Raises: InvalidRequestError, also for another project's."""
    file = await files.hold_file(session, caller.project_id, file_id)
    if file is None:
        message = f"{param}: there is no file '{file_id}'. Upload it first, and give its id (file-…)."
        raise InvalidRequestError(message, param=param, code="file_not_found")
    if file.purpose != FINE_TUNE:
        message = f"{param}: '{file_id}' was uploaded for '{file.purpose}', not for '{FINE_TUNE}'."
        raise InvalidRequestError(message, param=param, code="invalid_file_purpose")
