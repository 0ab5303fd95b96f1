"""Tuned models as jobs leave them, without running one: a tenant's files, a finished job, a registered model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from shared import ids
from shared.stores.db.models import ApiKey, FineTuningJob, Model
from shared.stores.db.repositories.registry import NewModel, register_model
from tests.support.gateway import Mill, new_name

ARTICLE_TEMPLATE = {
    "format": "completion",
    "separator": " ->",
    "stop": ".",
    "starts_with_space": True,
    "max_tokens": None,
}


@dataclass
class Tenant:
    """A project of its own with a client."""

    mill: Mill
    client: httpx2.AsyncClient
    project_id: str
    api_key_id: str

    async def upload(self, content: bytes, purpose: str = "fine-tune") -> str:
        """Upload rows; return the file's id."""
        files = {"file": ("rows.jsonl", content)}
        response = await self.client.post("/v1/files", files=files, data={"purpose": purpose})
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    async def tune(
        self,
        name: str,
        *,
        parent: Model | None = None,
        rows: bytes = b'{"prompt": "a ->", "completion": " b."}\n',
        validation: bytes | None = None,
        **values: Any,
    ) -> Model:
        """Register a model that the scripted provider serves from now on."""
        training_file_id = await self.upload(rows)
        validation_file_id = None if validation is None else await self.upload(validation)
        job = FineTuningJob(
            id=ids.new_id(ids.FINE_TUNING_JOB),
            project_id=self.project_id,
            api_key_id=self.api_key_id,
            model=parent.name if parent else "scripted-1",
            base_model=parent.name if parent else "scripted-1",
            provider="upstream",
            training_file_id=training_file_id,
            parent_model_id=parent.id if parent else None,
            method={},
            hyperparameters={},
            status="succeeded",
            step="done",
        )
        new = NewModel(
            project_id=self.project_id,
            name=name,
            provider="upstream",
            base_model="scripted-1",
            job_id=job.id,
            parent_id=parent.id if parent else None,
            validation_file_id=validation_file_id,
            **values,
        )
        async with self.mill.database.transaction() as session:
            session.add(job)
            await session.flush()
            model = await register_model(session, new)
        self.mill.upstream.models.append(name)
        return model


@asynccontextmanager
async def open_tenant(mill: Mill) -> AsyncIterator[Tenant]:
    """Yield a project of its own."""
    project = new_name("project")
    client = await mill.client(project)
    key_id = next(key_id for name, key_id in mill.key_ids.items() if name.startswith(f"{project} "))
    async with mill.database.transaction() as session:
        key = await session.get_one(ApiKey, key_id)
    async with client:
        yield Tenant(mill, client, key.project_id, key.id)
