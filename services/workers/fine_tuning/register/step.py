"""Step `register`: the model becomes ours, the books are closed, the job succeeds, and webhooks are owed: all in one
transaction."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.ending import JobFinish, end_job
from services.workers.fine_tuning.failures import JobFailedError
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.register.derived_template import derive_template
from services.workers.fine_tuning.register.legacy_names import make_legacy_name
from services.workers.fine_tuning.upload.file_check import fetch_file
from shared.clock import utc_now
from shared.observability.logs import get_logger
from shared.outside.prices.book import load_price_book
from shared.outside.prices.inference import find_price
from shared.stores.db.models import FineTuningJob, Model
from shared.stores.db.repositories import aliases, registry
from shared.stores.db.repositories.dataset_versions import list_versions
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.projects import find_project
from shared.stores.db.repositories.registry import NewModel, register_model
from shared.texts.training_rows import read_rows

log = get_logger(__name__)


async def register_result(held: HeldJob) -> None:
    """Put the model into the registry and end the job as succeeded. Raises: LostRowError when another has the job or it
    is over: nothing is written then."""
    job = await held.load()
    template = None if job.dataset_version_id else await read_template(held, job)
    async with held.writing() as (session, row):
        assert row.upstream_model is not None
        model = await register_model(session, await describe_model(held, session, row, template))
        if row.is_legacy:
            await keep_old_name(session, row, model)
        event = NewEvent(f"New fine-tuned model created: {model.name}", data={"code": "model", "model": model.name})
        await append_events(session, row.id, [event])
        ending = JobFinish("succeeded", "provider", "trained, and the model is registered")
        await end_job(session, row, ending, fine_tuned_model=model.name)
    log.info("fine_tuning_job_succeeded", job=held.id, model=model.name)


async def read_template(held: HeldJob, job: FineTuningJob) -> dict[str, Any] | None:
    """Return the template contract that the training rows keep; None when the file was deleted meanwhile."""
    with TemporaryDirectory(prefix="storymill-template-") as name:
        path = Path(name) / "training.jsonl"
        try:
            await fetch_file(held.context, job, job.training_file_id, "training_file", path)
        except JobFailedError:
            return None
        return await asyncio.to_thread(derive_from, path)


def derive_from(path: Path) -> dict[str, Any] | None:
    """Read the contract off a local file."""
    with path.open("rb") as lines:
        return derive_template(read_rows(lines))


async def describe_model(
    held: HeldJob, session: AsyncSession, job: FineTuningJob, template: dict[str, Any] | None
) -> NewModel:
    """Return the model as the registry keeps it."""
    parent = await registry.find_by_id(session, job.parent_model_id) if job.parent_model_id else None
    versions = await list_versions(session, [job.dataset_version_id] if job.dataset_version_id else [])
    version = next(iter(versions.values()), None)
    base = parent.base_model if parent else job.base_model
    provider = held.context.providers.find(job.provider)
    assert provider is not None
    assert job.upstream_model is not None
    shutdown = load_price_book(provider.prices_dir).find_shutdown_date(provider, job.upstream_model)
    return NewModel(
        project_id=job.project_id,
        name=job.upstream_model,
        provider=job.provider,
        base_model=base,
        job_id=job.id,
        legacy_name=await name_as_then(session, job, base) if job.is_legacy else None,
        parent_id=parent.id if parent else None,
        dataset_version_id=job.dataset_version_id,
        validation_file_id=job.validation_file_id,
        template=version.template if version else template,
        price=find_price(provider, job.upstream_model).shape(),
        shutdown_date=shutdown.isoformat() if shutdown else None,
    )


async def name_as_then(session: AsyncSession, job: FineTuningJob, base: str) -> str:
    """Return the model's name on the legacy routes."""
    project = await find_project(session, job.project_id)
    return make_legacy_name(base, project.name if project else "", job.suffix, utc_now())


async def keep_old_name(session: AsyncSession, job: FineTuningJob, model: Model) -> None:
    """Tuning a tuned model further kept its name in those days: the old name leads to the new model."""
    if model.parent_id is None or job.model in {job.base_model, model.name}:
        return
    await aliases.set_alias(
        session,
        project_id=job.project_id,
        alias=job.model,
        model=model.name,
        changed_by=job.api_key_id,
        action="promoted",
        reason="incremental tuning on the legacy route",
    )
