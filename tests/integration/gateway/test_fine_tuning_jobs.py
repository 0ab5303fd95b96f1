"""Fine-tuning jobs over a live gateway: found, steered, repeated, and their events followed as they come."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_checkpoints import NewCheckpoint, record_checkpoint
from shared.stores.db.repositories.fine_tuning_events import NewEvent
from shared.stores.db.repositories.fine_tuning_metrics import NewMetric, record_metrics
from tests.support.fine_tuning_requests import create_job, read_event_stream, tell, upload_rows
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUCCEEDED: dict[str, Any] = {"status": "succeeded", "step": "done"}


async def list_ids(client: httpx2.AsyncClient, path: str, **params: Any) -> list[str]:
    """Return the ids of a list's page."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["data"]]


async def test_jobs_are_listed_by_page_and_by_metadata(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file = await upload_rows(client)
    made = [await create_job(client, MODEL, training_file=file, metadata={"n": str(n)}) for n in range(3)]
    ids = [job["id"] for job in made]
    jobs = "/v1/fine_tuning/jobs"
    assert await list_ids(client, jobs) == ids[::-1]
    assert await list_ids(client, jobs, limit=1, after=ids[2]) == [ids[1]]
    assert await list_ids(client, jobs, **{"metadata[n]": "1"}) == [ids[1]]
    assert await list_ids(client, jobs, **{"metadata[n]": "7"}) == []
    assert_openai_error(await client.get(jobs, params={"after": "ftjob-1"}), 404)


async def test_another_projects_job_is_not_there(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    async with await gateway.client(new_name("other")) as stranger:
        for part in ("", "/events", "/events?stream=true", "/checkpoints", "/metrics", "/changes"):
            assert_openai_error(await stranger.get(path + part), 404, code="fine_tune_not_found")
        for verb in ("cancel", "pause", "resume", "clone", "retry"):
            assert_openai_error(await stranger.post(f"{path}/{verb}"), 404)
        assert await list_ids(stranger, "/v1/fine_tuning/jobs") == []


async def test_a_job_is_paused_resumed_and_cancelled(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    for verb, status in (("pause", "paused"), ("resume", "validating_files"), ("cancel", "cancelled")):
        assert (await client.post(f"{path}/{verb}")).json()["status"] == status
    assert (await client.post(f"{path}/cancel")).json()["status"] == "cancelled"
    assert_openai_error(await client.post(f"{path}/resume"), 400, code="invalid_job_status")
    changes = (await client.get(f"{path}/changes")).json()["data"]
    assert [change["to"] for change in changes] == ["validating_files", "paused", "validating_files", "cancelled"]
    assert all(change["by"].startswith("key_") and change["reason"] for change in changes)


async def test_a_running_job_is_told_of_a_wish_that_its_worker_carries_out(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    job = await create_job(client, MODEL)
    await tell(gateway, job["id"], status="running", step="follow", upstream_job_id=new_name("ftjob"))
    wished = (await client.post(f"/v1/fine_tuning/jobs/{job['id']}/pause")).json()
    assert (wished["status"], wished["wanted"]) == ("running", "pause")


async def test_what_steps_measured_and_left_is_listed(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    async with gateway.database.transaction() as session:
        await record_metrics(session, job["id"], [NewMetric(step, train_loss=1 / step) for step in range(1, 6)])
        for step in (2, 4):
            await record_checkpoint(session, job["id"], NewCheckpoint(step, f"m:{job['id']}:{step}", {"step": step}))
    first = (await client.get(f"{path}/metrics?limit=3")).json()
    assert ([row["step"] for row in first["data"]], first["has_more"]) == ([1, 2, 3], True)
    rest = (await client.get(f"{path}/metrics?after_step=3")).json()
    assert [(row["step"], row["train_loss"], row["valid_loss"]) for row in rest["data"]] == [
        (4, 0.25, None),
        (5, 0.2, None),
    ]
    newest = (await client.get(f"{path}/checkpoints?limit=1")).json()
    assert ([item["step_number"] for item in newest["data"]], newest["has_more"]) == ([4], True)
    assert newest["data"][0]["fine_tuned_model_checkpoint"] == f"m:{job['id']}:4"
    assert len(await list_ids(client, f"{path}/checkpoints", after=newest["last_id"])) == 1
    shared_with = f"/v1/fine_tuning/checkpoints/m:{job['id']}:4/permissions"
    assert (await client.get(shared_with)).json()["data"] == []
    answer = await client.post(shared_with, json={"project_ids": ["proj_1"]})
    assert_openai_error(answer, 400, code="sharing_not_supported")
    assert_openai_error(await client.get("/v1/fine_tuning/checkpoints/m%2Fother/permissions"), 404)


async def test_events_are_listed_newest_first_and_by_cursor(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    path = f"/v1/fine_tuning/jobs/{job['id']}/events"
    await tell(gateway, job["id"], *(NewEvent(f"e{n}", upstream_id=f"u{n}") for n in range(4)))
    newest = (await client.get(path, params={"limit": 2})).json()
    assert [event["message"] for event in newest["data"]] == ["e3", "e2"]
    older = (await client.get(path, params={"limit": 10, "after": newest["last_id"]})).json()
    assert [event["message"] for event in older["data"]][:2] == ["e1", "e0"]
    assert not older["has_more"]
    later = (await client.get(path, params={"order": "asc", "after": older["first_id"]})).json()
    assert [event["message"] for event in later["data"]] == ["e2", "e3"]
    assert_openai_error(await client.get(path, params={"after": "ftevent-1"}), 404, param="after")


async def test_events_come_live_in_order_and_end_with_the_job(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    path = f"/v1/fine_tuning/jobs/{job['id']}/events"
    loop = asyncio.get_running_loop()
    seen, delays_seconds, told_at, last_id = [], [], loop.time(), ""
    async with asyncio.timeout(20), client.stream("GET", path, params={"stream": "true"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for event in read_event_stream(response):
            told = json.loads(event.data)
            assert told["id"] == event.id
            delays_seconds.append(loop.time() - told_at)
            seen.append(told["message"])
            last_id = told["id"]
            if len(seen) == 4:
                await tell(gateway, job["id"], NewEvent("end", upstream_id="end"), **SUCCEEDED)
            elif len(seen) < 4:
                await tell(gateway, job["id"], NewEvent(f"e{len(seen)}", upstream_id=f"u{len(seen)}"))
            told_at = loop.time()
    assert seen[1:] == ["e1", "e2", "e3", "end"]
    assert max(delays_seconds) < 1.0
    again = await client.get(path, params={"stream": "true"}, headers={"last-event-id": last_id})
    assert again.status_code == 204


async def test_a_viewer_goes_on_from_its_cursor(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL)
    await tell(gateway, job["id"], *(NewEvent(f"e{n}", upstream_id=f"u{n}") for n in range(700)), **SUCCEEDED)
    path = f"/v1/fine_tuning/jobs/{job['id']}/events"
    half = (await client.get(path, params={"order": "asc", "limit": 300})).json()["last_id"]
    for query, header in (({"after": half}, {}), ({}, {"last-event-id": half})):
        async with client.stream("GET", path, params={"stream": "true", **query}, headers=header) as response:
            messages = [json.loads(event.data)["message"] async for event in read_event_stream(response)]
        assert messages == [f"e{n}" for n in range(299, 700)]


async def test_many_viewers_of_many_jobs_see_every_event_once(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file = await upload_rows(client)
    jobs = [(await create_job(client, MODEL, training_file=file))["id"] for _ in range(5)]

    async def watch(job_id: str) -> list[str]:
        async with client.stream("GET", f"/v1/fine_tuning/jobs/{job_id}/events?stream=true") as response:
            return [json.loads(event.data)["message"] async for event in read_event_stream(response)]

    async with asyncio.timeout(30):
        viewers = [asyncio.create_task(watch(job_id)) for job_id in jobs for _ in range(8)]
        for n in range(5):
            for job_id in jobs:
                await tell(gateway, job_id, NewEvent(f"e{n}", upstream_id=f"u{n}"))
        for job_id in jobs:
            await tell(gateway, job_id, **SUCCEEDED)
        told = await asyncio.gather(*viewers)
    assert all(messages[1:] == [f"e{n}" for n in range(5)] for messages in told)


async def test_a_clone_is_the_same_job_with_changes(gateway: Mill, client: httpx2.AsyncClient) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 2}}}
    job = await create_job(client, MODEL, suffix="a", seed=7, metadata={"k": "v"}, method=method, force=True)
    path = f"/v1/fine_tuning/jobs/{job['id']}/clone"
    same = (await client.post(path)).json()
    left_out = {"id", "created_at"}
    assert {k: v for k, v in same.items() if k not in left_out} == {k: v for k, v in job.items() if k not in left_out}
    changes = {"suffix": "b", "seed": None, "hyperparameters": {"n_epochs": 5}}
    changed = (await client.post(path, json=changes)).json()
    assert (changed["suffix"], changed["seed"], changed["training_file"]) == ("b", None, job["training_file"])
    assert changed["hyperparameters"] == {"n_epochs": 5, "batch_size": 2, "learning_rate_multiplier": "auto"}
    assert_openai_error(await client.post(path, json={"seed": -1}), 400, param="seed")


async def test_only_what_came_to_nothing_is_tried_again(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL, metadata={"k": "v"})
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    assert_openai_error(await client.post(f"{path}/retry"), 400, code="invalid_job_status")
    await client.post(f"{path}/cancel")
    again = (await client.post(f"{path}/retry")).json()
    assert again["id"] != job["id"]
    assert again["metadata"] == {"k": "v", "retried_from": job["id"]}


async def test_a_file_in_use_by_an_open_job_stays(gateway: Mill, client: httpx2.AsyncClient) -> None:
    job = await create_job(client, MODEL, validation_file=await upload_rows(client))
    files = [job["training_file"], job["validation_file"]]
    for file_id in files:
        assert_openai_error(await client.delete(f"/v1/files/{file_id}"), 400, code="file_in_use")
    await client.post(f"/v1/fine_tuning/jobs/{job['id']}/cancel")
    for file_id in files:
        assert (await client.delete(f"/v1/files/{file_id}")).json()["deleted"]
        assert_openai_error(await client.get(f"/v1/files/{file_id}"), 404)
    assert (await client.get(f"/v1/fine_tuning/jobs/{job['id']}")).json()["training_file"] == files[0]
    assert_openai_error(await client.post(f"/v1/fine_tuning/jobs/{job['id']}/retry"), 400, code="file_not_found")


async def test_a_fine_tune_of_2023_speaks_of_the_same_job(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file = await upload_rows(client)
    body = {"training_file": file, "model": MODEL, "suffix": '"Ultra man!"', "learning_rate_multiplier": 0.2}
    made = (await client.post("/v1/fine-tunes", json=body)).json()
    job_id = made["id"].replace("ft-", "ftjob-")
    assert (made["object"], made["status"], made["validation_files"]) == ("fine-tune", "pending", [])
    assert made["training_files"][0]["id"] == file
    assert made["hyperparams"]["learning_rate_multiplier"] == 0.2
    assert [event["message"] for event in made["events"]] == [f"Created fine-tune: {made['id']}"]
    job = (await client.get(f"/v1/fine_tuning/jobs/{job_id}")).json()
    assert (job["suffix"], job["base_model"]) == ("ultra-man", MODEL)
    async with gateway.database.transaction() as session:
        row = await session.get(FineTuningJob, job_id)
        assert row is not None
        assert row.is_legacy


async def test_the_events_of_2023_are_told_in_the_words_of_2023(gateway: Mill, client: httpx2.AsyncClient) -> None:
    made = (
        await client.post("/v1/fine-tunes", json={"training_file": await upload_rows(client), "model": MODEL})
    ).json()
    job_id, path = made["id"].replace("ft-", "ftjob-"), f"/v1/fine-tunes/{made['id']}"
    ours: list[tuple[dict[str, Any], str]] = [
        ({"code": "estimated", "usd": 0.5}, "Fine-tune costs $0.50"),
        ({"code": "enqueued", "queue_number": 2}, "Fine-tune enqueued. Queue number: 2"),
        ({"code": "started"}, "Fine-tune started"),
    ]
    await tell(gateway, job_id, *(NewEvent("x", data=data) for data, _ in ours), status="running", step="follow")
    told = []
    async with asyncio.timeout(20), client.stream("GET", f"{path}/events?stream=true") as response:
        async for event in read_event_stream(response):
            told.append(event.data if event.data == "[DONE]" else json.loads(event.data)["message"])
            if len(told) == 4:
                later = [
                    NewEvent("Step 1/4", type="metrics", data={"train_loss": 1.0}, upstream_id="1"),
                    NewEvent("Validating", upstream_id="2"),
                    NewEvent("Completed epoch 1/1", upstream_id="3"),
                    NewEvent("Validation loss rises", level="warn", upstream_id="4"),
                    NewEvent("x", data={"code": "model", "model": "ft:a:b:c:1"}),
                    NewEvent("x", data={"code": "result_file", "file_id": "file-r"}),
                    NewEvent("x", data={"code": "succeeded"}),
                ]
                await tell(gateway, job_id, *later, **SUCCEEDED)
    assert told == [
        f"Created fine-tune: {made['id']}",
        *(message for _, message in ours),
        "Completed epoch 1/1",
        "Validation loss rises",
        "Uploaded model: ft:a:b:c:1",
        "Uploaded result file: file-r",
        "Fine-tune succeeded",
        "[DONE]",
    ]
    listed = (await client.get(f"{path}/events")).json()["data"]
    assert [event["message"] for event in listed] == told[:-1]
    assert {"object", "level", "created_at", "message"} == set(listed[0])


async def test_a_deleted_fine_tune_is_gone_from_the_legacy_routes_only(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    made = (
        await client.post("/v1/fine-tunes", json={"training_file": await upload_rows(client), "model": MODEL})
    ).json()
    path = f"/v1/fine-tunes/{made['id']}"
    assert_openai_error(await client.delete(path), 400, code="conflict")
    assert (await client.post(f"{path}/cancel")).json()["status"] == "cancelled"
    assert [item["id"] for item in (await client.get("/v1/fine-tunes")).json()["data"]] == [made["id"]]
    assert (await client.delete(path)).json() == {"id": made["id"], "object": "fine-tune", "deleted": True}
    assert_openai_error(await client.get(path), 404)
    assert (await client.get("/v1/fine-tunes")).json()["data"] == []
    assert len(await list_ids(client, "/v1/fine_tuning/jobs")) == 1


async def test_a_local_path_in_place_of_a_file_is_refused_clearly(gateway: Mill, client: httpx2.AsyncClient) -> None:
    body = {"training_file": "data/prepared_data_prepared.jsonl", "model": MODEL}
    error = assert_openai_error(await client.post("/v1/fine-tunes", json=body), 400, param="training_file")
    assert "Upload it first" in error["message"]
