"""Step `upload`: check the files, say what training will cost, mix in replayed rows, bring them to the provider."""

import asyncio
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.workers.fine_tuning.ending import JobFinish, end_job
from services.workers.fine_tuning.failures import JobFailedError
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upload.file_check import LocalFile, LocalFiles, fetch_files
from services.workers.fine_tuning.upload.replay import mix_replay
from shared.clock import utc_now
from shared.errors import InvalidRequestError
from shared.outside.prices.epochs import choose_epochs
from shared.outside.prices.training import estimate_training, training_price
from shared.outside.providers.fine_tuning_capabilities import Capabilities
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_changes import change_status
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_steps import enter_step, write_columns
from shared.stores.db.repositories.training_books import find_training_speed
from shared.texts.amounts import count_of, format_usd
from shared.texts.encodings import OwnTokenizerFile
from shared.texts.own_encoding import OwnEncoding
from shared.texts.training_file import PublishedCounter, count_training_tokens


async def upload_files(held: HeldJob) -> None:
    """Bring the checked files to the provider, note their ids there and the estimate, and go on to `create`; a job that
    is to be cancelled or paused is so here.

    Raises: JobFailedError when a file cannot be used; LlmError when the provider cannot list or take one; LostRowError
    when the job is lost before an upload, or a write finds it lost or over."""
    job = await held.load()
    if job.wanted is not None and await carry_out_here(held):
        return
    with TemporaryDirectory(prefix="storymill-fine-tuning-", ignore_cleanup_errors=True) as name:
        training_file_id = await find_training_file(held, job)
        local = await fetch_files(held.context, job, training_file_id, Path(name))
        if job.estimate is None:
            await record_estimate(held, job, local)
        training_id = await upload(held, job, local.training, "training")
        async with held.writing() as (session, row):
            await write_columns(session, row, upstream_training_file_id=training_id)
        validation_id = None
        if local.validation is not None and held.provider.capabilities.validation_file:
            validation_id = await upload(held, job, local.validation, "validation")
    await record_uploads(held, validation_id)


async def carry_out_here(held: HeldJob) -> bool:
    """Carry out what is wanted of a job that its provider does not know of; say whether the step is over."""
    async with held.writing() as (session, job):
        wanted, by = job.wanted, job.wanted_by or "unknown"
        if wanted == "cancel":
            await end_job(session, job, JobFinish("cancelled", by, "asked for by a client"))
            return True
        status = "paused" if wanted == "pause" else "validating_files"
        values = {"wanted": None, "wanted_by": None}
        await change_status(session, job, status, by=by, reason="asked for by a client", values=values)
        held.wish = None
        return wanted == "pause"


async def find_training_file(held: HeldJob, job: FineTuningJob) -> str:
    """Return the file to train on: the job's own, or one with replayed rows mixed in. Raises: JobFailedError when a
    file that is needed for the mixing is gone."""
    if not job.replay or not job.replay.get("share"):
        return job.training_file_id
    try:
        return await mix_replay(held.context, job)
    except InvalidRequestError as error:
        raise JobFailedError(error.code or "replay_failed", error.message, param="replay") from error


async def record_estimate(held: HeldJob, job: FineTuningJob, local: LocalFiles) -> None:
    """Work out what training will take, and keep it with the price that is valid now."""
    provider = held.context.providers.find(job.provider)
    assert provider is not None
    own = await held.context.tokenizers.fetch(job.base_model, local.training.path.parent)
    tokens = await asyncio.to_thread(count_tokens, local.training.path, job.base_model, own)
    quote = training_price(provider, job.base_model, utc_now().date())
    epochs = find_epochs(job) or choose_epochs(provider.name, local.training.rows)
    async with held.writing() as (session, row):
        speed = await find_training_speed(session, job.provider, job.base_model)
        estimate = estimate_training(quote, tokens, epochs, speed)
        cost = Decimal(0) if row.cost_usd is None and quote.is_known else row.cost_usd
        await write_columns(session, row, estimate=estimate, cost_usd=cost)
        await append_events(session, job.id, [describe_estimate(estimate)])


def count_tokens(path: Path, model: str, own: OwnTokenizerFile | None) -> int:
    """Count the tokens of one epoch, with the model's own tokenizer where its server gives one."""
    counter = OwnEncoding(own, model) if own is not None else PublishedCounter(model)
    with path.open("rb") as lines:
        return count_training_tokens(lines, counter).tokens


def find_epochs(job: FineTuningJob) -> int | None:
    """Return the epochs that were asked for, None when that is left to the provider."""
    kind = str(job.method.get("type") or "supervised")
    asked = ((job.method.get(kind) or {}).get("hyperparameters") or {}).get("n_epochs")
    epochs = asked if asked is not None else job.hyperparameters.get("n_epochs")
    return epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else None


def describe_estimate(estimate: dict[str, Any]) -> NewEvent:
    """Return the event that tells the estimate."""
    usd, billed = estimate["usd"], estimate["billed_tokens"]
    cost = format_usd(usd) if usd is not None else f"unknown: {estimate['usd_note']}"
    message = f"Estimated cost: {cost} for {count_of(billed, 'token')} in {count_of(estimate['epochs'], 'epoch')}"
    return NewEvent(message, data={"code": "estimated", "usd": usd, "tokens": billed, "epochs": estimate["epochs"]})


async def upload(held: HeldJob, job: FineTuningJob, local: LocalFile, side: str) -> str:
    """Return the id of a file at the provider. One that was uploaded just before a crash is found by its name."""
    known = job.upstream_training_file_id if side == "training" else job.upstream_validation_file_id
    if known is not None:
        return known
    filename = f"{job.id}_{side}.jsonl"
    if job.attempt > 1 or job.tries:
        found = await held.provider.find_file(filename, local.size)
        if found is not None:
            return found
    await held.confirm()
    return await held.provider.upload_file(local.path, filename)


async def record_uploads(held: HeldJob, validation_id: str | None) -> None:
    """Go on to the next step, and tell what the provider cannot take."""
    async with held.writing() as (session, job):
        await enter_step(session, job, "create", upstream_validation_file_id=validation_id)
        await append_events(session, job.id, describe_omissions(job, held.provider.capabilities))


def describe_omissions(job: FineTuningJob, can: Capabilities) -> list[NewEvent]:
    """Return a warning for each thing asked for that this provider does not know."""
    left_out = {
        "suffix": job.suffix is not None and not can.suffix,
        "validation_file": job.validation_file_id is not None and not can.validation_file,
        "seed": job.seed is not None and not can.seed,
    }
    return [
        NewEvent(
            f"The provider {job.provider} knows no {name}: it is left out",
            level="warn",
            data={"code": "left_out", "param": name},
        )
        for name, is_left_out in left_out.items()
        if is_left_out
    ]
