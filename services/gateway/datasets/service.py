"""Order and find datasets."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.datasets.encoding_check import require_clear_encodings
from services.gateway.datasets.schemas import DatasetRequest, FileSource, GenerationSource
from services.gateway.files.service import drop_bytes
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.contracts.queue.messages import PrepareDataset
from shared.contracts.statuses import DATASET
from shared.errors import ConflictError, InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Dataset, DatasetVersion
from shared.stores.db.repositories import dataset_removal, dataset_versions, datasets, files, generations
from shared.stores.db.repositories.dataset_removal import find_user_of_dataset
from shared.stores.db.repositories.pages import Page

Prepared = tuple[Dataset, DatasetVersion | None]
LISTED_REPORT = ("counts", "findings", "fixes")


async def order_dataset(gateway: Gateway, caller: Principal, claim: KeyClaim, request: DatasetRequest) -> Prepared:
    """Record what is wanted, and send it to the workers. Raises: NotFoundError, InvalidRequestError for a source,
    RateLimitedError for one dataset too many."""
    await require_clear_encodings(gateway, caller, request)
    async with gateway.database.transaction() as session:
        await require_quota(session, gateway, caller, max_open_datasets=1)
        for position, source in enumerate(request.sources):
            await require_source(session, caller, source, f"sources.{position}")
        dataset = await datasets.add_dataset(
            session,
            project_id=caller.project_id,
            api_key_id=caller.api_key_id,
            request=request.model_dump() | {"sources": [s.model_dump(exclude_none=True) for s in request.sources]},
        )
        await claim.bind(session, dataset.id)
    await gateway.sender.send(PrepareDataset(dataset.id))
    return dataset, None


async def require_source(
    session: AsyncSession, caller: Principal, source: GenerationSource | FileSource, param: str
) -> None:
    """Pass when the source is the caller's and has rows. Raises: NotFoundError for what the project does not have,
    InvalidRequestError for a run without a finished story."""
    if isinstance(source, FileSource):
        if await files.find_file(session, caller.project_id, source.file) is None:
            raise NotFoundError(f"No file '{source.file}' in this project.", param=param)
        return
    run = await generations.find_generation(session, caller.project_id, source.generation)
    if run is None:
        raise NotFoundError(f"No generation '{source.generation}' in this project.", param=param)
    if not run.succeeded:
        message = f"The generation '{source.generation}' ({run.status}) has no finished story yet."
        raise InvalidRequestError(message, param=param, code="empty_source")


async def get_dataset(gateway: Gateway, caller: Principal, dataset_id: str) -> Prepared:
    """Return a dataset and its version. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        dataset = await datasets.find_dataset(session, caller.project_id, dataset_id)
        if dataset is None:
            raise NotFoundError(f"No dataset '{dataset_id}' in this project.", param="id")
        versions = await dataset_versions.list_versions(session, [dataset.version_id] if dataset.version_id else [])
    return dataset, versions.get(dataset.version_id or "")


async def cancel_dataset(gateway: Gateway, caller: Principal, dataset_id: str) -> Prepared:
    """End a preparation; one that was cancelled stays so. Raises: ConflictError when it is over otherwise,
    NotFoundError."""
    await get_dataset(gateway, caller, dataset_id)
    async with gateway.database.transaction() as session:
        await datasets.cancel_dataset(session, dataset_id)
    prepared = await get_dataset(gateway, caller, dataset_id)
    status = prepared[0].status
    if status != "cancelled":
        raise ConflictError(f"The dataset is {status}; only one that is not over can be cancelled.", param="status")
    return prepared


async def delete_dataset(gateway: Gateway, caller: Principal, dataset_id: str) -> Json:
    """Delete a dataset with its rows and files. Raises: ConflictError when it is not over, or a fine-tuning job or
    model was made with it; NotFoundError for one that the project has not."""
    dataset, _ = await get_dataset(gateway, caller, dataset_id)
    if dataset.status not in DATASET.final:
        raise ConflictError(f"The dataset is {dataset.status}. Cancel it first.", param="id")
    async with gateway.database.transaction() as session:
        user = await find_user_of_dataset(session, dataset.version_id) if dataset.version_id else None
        if user is not None:
            message = f"'{user}' was made with this dataset, which stays so that it can be told what it learned."
            raise ConflictError(message, param="id", code="dataset_in_use")
        dropped = await dataset_removal.delete_dataset(session, dataset)
    for sha256 in dropped:
        await drop_bytes(gateway, sha256)
    return {"id": dataset_id, "object": "dataset", "deleted": True}


async def list_datasets(
    gateway: Gateway, caller: Principal, page: Page, status: str | None
) -> tuple[list[Prepared], bool]:
    """Return a page of datasets with their versions. Raises: NotFoundError for a cursor that is not there."""
    if page.after is not None:
        await get_dataset(gateway, caller, page.after)
    async with gateway.database.transaction() as session:
        found, has_more = await datasets.list_datasets(session, caller.project_id, page, status=status)
        wanted = [dataset.version_id for dataset in found if dataset.version_id]
        versions = await dataset_versions.list_versions(session, wanted)
    return [(dataset, versions.get(dataset.version_id or "")) for dataset in found], has_more


def shape_dataset(dataset: Dataset, version: DatasetVersion | None) -> Json:
    """Return the dataset object."""
    request = dict(dataset.request)
    template = version.template if version else None
    return {
        "id": dataset.id,
        "object": "dataset",
        "version": dataset.version_id,
        "status": dataset.status,
        "sources": request.pop("sources"),
        "format": template["format"] if template else request["format"],
        "options": {name: value for name, value in request.items() if name != "format"},
        **{name: (dataset.report or {}).get(name) for name in LISTED_REPORT},
        "template": template,
        "files": shape_files(dataset, version) if version else None,
        "cost_usd": None if version is None or version.cost_usd is None else float(version.cost_usd),
        "cost_note": ((dataset.report or {}).get("cost") or {}).get("note"),
        "error": dataset.error,
        "created_at": unix_seconds(dataset.created_at),
        "started_at": unix_seconds(dataset.started_at) if dataset.started_at else None,
        "finished_at": unix_seconds(dataset.finished_at) if dataset.finished_at else None,
    }


def shape_files(dataset: Dataset, version: DatasetVersion) -> dict[str, str | None]:
    """Return the ids of what was made, ready for a fine-tuning job."""
    return {
        "train": version.train_file_id,
        "validation": version.validation_file_id,
        "report": dataset.report_file_id,
    }
