"""What a fine-tuning job may be made of: each wrong field is refused by its name and leaves nothing."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.gateway.fine_tuning.client_retries import RETRY_HEADER
from tests.support.fine_tuning_requests import create_job, upload_rows
from tests.support.gateway import Mill, assert_openai_error, new_name, open_mill
from tests.support.gateway_fixtures import Stores
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


def supervised(**hyperparameters: Any) -> dict[str, Any]:
    """A method with hyperparameters."""
    return {"method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}}


async def test_a_job_comes_back_as_it_was_asked_for(gateway: Mill, client: httpx2.AsyncClient) -> None:
    training, validation = await upload_rows(client), await upload_rows(client)
    asked = {
        "training_file": training,
        "validation_file": validation,
        "suffix": "ultraman",
        "seed": 7,
        "metadata": {"k": "v"},
        "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}}, {"type": "tensorboard"}],
        **supervised(n_epochs=3, batch_size="auto", learning_rate_multiplier=0.2),
    }
    job = await create_job(client, MODEL, **asked)
    settled = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.2}
    assert job | {"id": "", "created_at": 0, "trackers": []} == {
        **asked,
        "id": "",
        "object": "fine_tuning.job",
        "created_at": 0,
        "finished_at": None,
        "model": MODEL,
        "fine_tuned_model": None,
        "organization_id": "org-storymill",
        "status": "validating_files",
        "hyperparameters": settled,
        "method": {"type": "supervised", "supervised": {"hyperparameters": settled}},
        "result_files": [],
        "trained_tokens": None,
        "error": None,
        "estimated_finish": None,
        "provider": "upstream",
        "step": "upload",
        "base_model": MODEL,
        "parent_model": None,
        "dataset_version": None,
        "estimate": None,
        "budget_usd": None,
        "cost_usd": None,
        "replay": None,
        "wanted": None,
        "status_reason": "asked for by a client",
        "trackers": [],
    }
    assert [tracker["sink"] for tracker in job["trackers"]] == ["tensorboard", "wandb"]
    assert (await client.get(f"/v1/fine_tuning/jobs/{job['id']}")).json() == job
    (created,) = (await client.get(f"/v1/fine_tuning/jobs/{job['id']}/events")).json()["data"]
    assert created["message"] == f"Created fine-tuning job: {job['id']}"


WRONG: list[tuple[dict[str, Any], str | None]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"training_file": None}, None),
    ({"training_file": 3}, "training_file"),
    ({"training_file": "file-unknown"}, "training_file"),
    ({"training_file": "data/prepared_data_prepared.jsonl"}, "training_file"),
    ({"validation_file": "file-unknown"}, "validation_file"),
    ({"dataset": "ds_1"}, None),
    ({"suffix": "x" * 65}, "suffix"),
    ({"suffix": 1}, "suffix"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**31}, "seed"),
    ({"seed": "7"}, "seed"),
    ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
    ({"metadata": {"k": 1}}, "metadata.k"),
    ({"metadata": {"k": "x" * 513}}, "metadata.k"),
    ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"n_epochs": 2.5}}, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"n_epoch": 3}}, "hyperparameters.n_epoch"),
    ({"hyperparameters": {"n_epochs": 3}, **supervised(n_epochs=3)}, None),
    (supervised(n_epochs=51), "method.supervised.hyperparameters.n_epochs"),
    (supervised(batch_size=257), "method.supervised.hyperparameters.batch_size"),
    (supervised(batch_size="many"), "method.supervised.hyperparameters.batch_size"),
    (supervised(learning_rate_multiplier=0), "method.supervised.hyperparameters.learning_rate_multiplier"),
    (supervised(learning_rate_multiplier=True), "method.supervised.hyperparameters.learning_rate_multiplier"),
    (supervised(beta=0.1), "method.supervised.hyperparameters.beta"),
    ({"method": "supervised"}, "method"),
    ({"method": {"type": "reinforcement", "reinforcement": {}}}, "method.type"),
    ({"method": {"type": "dpo", "supervised": {}}}, "method"),
    ({"integrations": {}}, "integrations"),
    ({"integrations": [{"type": "wandb"}]}, "integrations.0"),
    ({"integrations": [{"type": "wandb", "wandb": {}}]}, "integrations.0.wandb.project"),
    ({"integrations": [{"type": "excel"}]}, "integrations.0.type"),
    ({"integrations": [{"type": "trackio"}, {"type": "trackio"}]}, None),
    ({"budget_usd": 0}, "budget_usd"),
    ({"budget_usd": 5}, "budget_usd"),
    ({"replay": {"share": 0.95}}, "replay.share"),
    ({"replay": {"share": 0.5}}, "replay"),
    ({"force": "yes"}, "force"),
    ({"trainingfile": "x"}, "trainingfile"),
]


@pytest.mark.parametrize(("changes", "param"), WRONG)
async def test_a_wrong_field_is_refused_by_name_and_leaves_no_job(
    gateway: Mill, client: httpx2.AsyncClient, changes: dict[str, Any], param: str | None
) -> None:
    body = {"model": MODEL, "training_file": await upload_rows(client), **changes}
    before = await gateway.count_rows()
    answer = await client.post("/v1/fine_tuning/jobs", json=body)
    assert_openai_error(answer, 400, type="invalid_request_error", param=param)
    assert await gateway.count_rows() == before


async def test_a_preference_job_has_its_beta(gateway: Mill, client: httpx2.AsyncClient) -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    job = await create_job(client, MODEL, method=method)
    assert job["method"]["dpo"]["hyperparameters"]["beta"] == 0.2


async def test_an_unknown_model_is_404(gateway: Mill, client: httpx2.AsyncClient) -> None:
    body = {"model": "nobody", "training_file": await upload_rows(client)}
    answer = await client.post("/v1/fine_tuning/jobs", json=body)
    assert_openai_error(answer, 404, code="model_not_found", param="model")


async def test_files_of_another_project_or_purpose_are_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    async with await gateway.client(new_name("other")) as stranger:
        foreign = await upload_rows(stranger)
    other_purpose = await upload_rows(client, purpose="user_data")
    for file_id, code in ((foreign, "file_not_found"), (other_purpose, "invalid_file_purpose")):
        for field in ("training_file", "validation_file"):
            body = {"model": MODEL, "training_file": await upload_rows(client), field: file_id}
            answer = await client.post("/v1/fine_tuning/jobs", json=body)
            assert_openai_error(answer, 400, code=code, param=field)
    answer = await client.post("/v1/fine_tuning/jobs", json={"model": MODEL, "dataset": "ds_unknown"})
    assert_openai_error(answer, 404, param="dataset")


async def test_a_key_that_may_only_read_makes_no_job(gateway: Mill) -> None:
    async with await gateway.client(scopes=("read",)) as reader:
        answer = await reader.post("/v1/fine_tuning/jobs", json={"model": MODEL, "training_file": "file-1"})
        assert_openai_error(answer, 403, code="insufficient_permissions")
        assert (await reader.get("/v1/fine_tuning/jobs")).status_code == 200


async def test_a_job_under_one_idempotency_key_is_one_job(gateway: Mill, client: httpx2.AsyncClient) -> None:
    headers, file = {"idempotency-key": new_name("key")}, await upload_rows(client)
    first, again = [await create_job(client, MODEL, headers, training_file=file) for _ in range(2)]
    assert first["id"] == again["id"]


async def test_a_retry_of_the_official_client_is_the_first_job(gateway: Mill, client: httpx2.AsyncClient) -> None:
    fields: dict[str, Any] = {"training_file": await upload_rows(client), "suffix": "a"}
    first = await create_job(client, MODEL, {RETRY_HEADER: "0"}, **fields)
    retried = await create_job(client, MODEL, {RETRY_HEADER: "1"}, **fields)
    assert retried["id"] == first["id"]
    other = await create_job(client, MODEL, {RETRY_HEADER: "1"}, **{**fields, "suffix": "b"})
    wanted_again = await create_job(client, MODEL, {RETRY_HEADER: "0"}, **fields)
    assert len({first["id"], other["id"], wanted_again["id"]}) == 3
    assert (await create_job(client, MODEL, {RETRY_HEADER: "2"}, **fields))["id"] == wanted_again["id"]
    async with await gateway.client(new_name("other")) as stranger:
        answer = await stranger.post(
            "/v1/fine_tuning/jobs", json={"model": MODEL, **fields}, headers={RETRY_HEADER: "1"}
        )
        assert_openai_error(answer, 400, code="file_not_found")


async def test_a_provider_that_knows_supervised_training_alone_is_asked_for_nothing_else(
    stores: Stores, tmp_path: Path
) -> None:
    providers = tmp_path / "providers.toml"
    providers.write_text("[providers.upstream.fine_tuning]\nmethod = false\n")
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with (
        open_mill(tmp_path, **urls, providers_file=providers) as mill,
        await mill.client(new_name("plain")) as client,
    ):
        body = {"model": MODEL, "training_file": await upload_rows(client)}
        answer = await client.post("/v1/fine_tuning/jobs", json={**body, "method": {"type": "dpo"}})
        assert_openai_error(answer, 400, param="method", code="unsupported_method")
        await create_job(client, MODEL, training_file=body["training_file"])


async def test_a_provider_that_trains_nothing_is_named_before_a_job_is_made(stores: Stores, tmp_path: Path) -> None:
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(tmp_path, **urls) as mill, await mill.client(new_name("chats")) as client:
        mill.upstream.trains = False
        body = {"model": MODEL, "training_file": await upload_rows(client)}
        before = await mill.count_rows()
        for path in ("/v1/fine_tuning/jobs", "/v1/fine-tunes"):
            error = assert_openai_error(await client.post(path, json=body), 400, code="fine_tuning_unsupported")
            assert "'upstream'" in error["message"]
        assert await mill.count_rows() == before
        await mill.upstream.stop()  # nobody is doubted who does not answer
        await create_job(client, MODEL, training_file=body["training_file"])
