"""Remove datasets with what they were made into; what a model learned from stays."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Dataset

FIND_USER: Final = text("""
    select id from fine_tuning_job where dataset_version_id = :version_id
    union all
    select fine_tuning_job.id from fine_tuning_job join dataset_version as version on version.id = :version_id
    where training_file_id in (version.train_file_id, version.validation_file_id)
       or fine_tuning_job.validation_file_id in (version.train_file_id, version.validation_file_id)
    union all
    select id from model where dataset_version_id = :version_id
    limit 1
""")
LOCK_VERSION: Final = text("select id from dataset_version where id = :version_id for update")
DROP: Final = text("delete from dataset where id = :id")
IS_SHARED: Final = text("select exists(select 1 from dataset where version_id = :version_id)")
DROP_ROWS: Final = text("delete from dataset_row where version_id = :version_id")
DROP_VERSION: Final = text("""
    delete from dataset_version where id = :version_id returning train_file_id, validation_file_id
""")
DROP_FILES: Final = text("""
    update file set status = 'deleted' where id = any(:file_ids) and status <> 'deleted' returning sha256
""")


async def find_user_of_dataset(session: AsyncSession, version_id: str) -> str | None:
    """Return a fine-tuning job or model that the version was given to. Nobody new takes it until the end of the
    transaction."""
    await session.execute(LOCK_VERSION, {"version_id": version_id})
    return (await session.scalars(FIND_USER, {"version_id": version_id})).first()


async def delete_dataset(session: AsyncSession, dataset: Dataset) -> list[str]:
    """Delete a dataset that is over, its version if no other dataset has it, and their files; return the hashes of
    objects that may have lost their last name."""
    await session.execute(DROP, {"id": dataset.id})
    file_ids = [dataset.report_file_id]
    if dataset.version_id is not None and not await session.scalar(IS_SHARED, {"version_id": dataset.version_id}):
        await session.execute(DROP_ROWS, {"version_id": dataset.version_id})
        file_ids += (await session.execute(DROP_VERSION, {"version_id": dataset.version_id})).one()
    dropped = await session.scalars(DROP_FILES, {"file_ids": [file_id for file_id in file_ids if file_id]})
    return list(dropped)
