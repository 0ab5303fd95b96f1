"""OpenAI's uploads over the live gateway: a file in parts, whole in the end or not at all."""

import hashlib
from datetime import timedelta
from pathlib import Path

import httpx2
import openai
import pytest
from sqlalchemy import update

from shared.clock import utc_now
from shared.stores.db.models import Upload
from tests.support.gateway import Mill, assert_openai_error, new_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROW = '{"prompt":"唐,隐形,轻松 ->","completion":" 从前。"}\n'.encode()


async def begin(client: httpx2.AsyncClient, size: int, **fields: object) -> str:
    """Announce a file; return the upload's id."""
    body = {"bytes": size, "filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune", **fields}
    response = await client.post("/v1/uploads", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "pending"
    return str(response.json()["id"])


async def send_part(client: httpx2.AsyncClient, upload_id: str, content: bytes) -> httpx2.Response:
    """Send one part."""
    return await client.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", content)})


def count_objects(mill: Mill, content: bytes) -> int:
    """Return how many objects of the store have exactly these bytes."""
    return sum(path.is_file() and path.read_bytes() == content for path in mill.objects_dir.rglob("*"))


async def test_the_official_client_uploads_in_chunks(gateway: Mill, tmp_path: Path) -> None:
    content = ROW * 400_000  # 26 MB: three parts of 10
    (tmp_path / "故事.jsonl").write_bytes(content)
    key = await gateway.key(new_name("project"))
    async with openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0) as api:
        upload = await api.uploads.upload_file_chunked(
            file=tmp_path / "故事.jsonl",
            mime_type="text/jsonl",
            purpose="fine-tune",
            part_size=10_000_000,
            md5=hashlib.md5(content).hexdigest(),
        )
        assert (upload.status, upload.filename, upload.bytes) == ("completed", "故事.jsonl", len(content))
        assert upload.file is not None
        assert (await api.files.content(upload.file.id)).content == content
        assert [file.id async for file in api.files.list()] == [upload.file.id]


async def test_parts_are_joined_in_the_order_that_the_client_names(gateway: Mill, client: httpx2.AsyncClient) -> None:
    first, second = new_name("first").encode(), new_name("second").encode()
    upload_id = await begin(client, len(first + second))
    later, sooner = [(await send_part(client, upload_id, content)).json()["id"] for content in (second, first)]
    body = {"part_ids": [sooner, later], "md5": hashlib.md5(first + second).hexdigest().upper()}
    done = (await client.post(f"/v1/uploads/{upload_id}/complete", json=body)).json()
    assert (await client.get(f"/v1/files/{done['file']['id']}/content")).content == first + second
    assert (await client.post(f"/v1/uploads/{upload_id}/complete", json=body)).json() == done
    assert (await client.get(f"/v1/uploads/{upload_id}")).json() == done
    assert count_objects(gateway, first) == 0
    assert_openai_error(await send_part(client, upload_id, b"x"), 400, code="upload_completed")
    await client.delete(f"/v1/files/{done['file']['id']}")
    assert count_objects(gateway, first + second) == 0


async def test_one_part_is_a_file_too(gateway: Mill, client: httpx2.AsyncClient) -> None:
    content = new_name("whole").encode()
    upload_id = await begin(client, len(content))
    part = (await send_part(client, upload_id, content)).json()["id"]
    done = (await client.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": [part]})).json()
    assert (await client.get(f"/v1/files/{done['file']['id']}/content")).content == content


async def test_a_cancelled_upload_leaves_nothing(gateway: Mill, client: httpx2.AsyncClient) -> None:
    content = new_name("gone").encode()
    upload_id = await begin(client, 100)
    await send_part(client, upload_id, content)
    assert count_objects(gateway, content) == 1
    for _ in range(2):
        assert (await client.post(f"/v1/uploads/{upload_id}/cancel")).json()["status"] == "cancelled"
    assert count_objects(gateway, content) == 0
    answer = await client.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": ["x"]})
    assert_openai_error(answer, 400, code="upload_cancelled")


async def test_what_does_not_fit_is_refused_and_can_be_mended(gateway: Mill, client: httpx2.AsyncClient) -> None:
    upload_id = await begin(client, 4)
    complete = f"/v1/uploads/{upload_id}/complete"
    assert_openai_error(await send_part(client, upload_id, b"12345"), 400, code="upload_too_large")
    part = (await send_part(client, upload_id, b"123")).json()["id"]
    assert_openai_error(await client.post(complete, json={"part_ids": [part]}), 400, code="upload_size_mismatch")
    assert_openai_error(await client.post(complete, json={"part_ids": ["part_1"]}), 400, param="part_ids")
    rest = (await send_part(client, upload_id, b"4")).json()["id"]
    wrong = {"part_ids": [part, rest], "md5": "0" * 32}
    assert_openai_error(await client.post(complete, json=wrong), 400, code="checksum_mismatch")
    assert_openai_error(await client.post(complete, json={"part_ids": [part, part]}), 400, param="part_ids")
    assert (await client.post(complete, json={"part_ids": [part, rest]})).json()["status"] == "completed"


async def test_an_overdue_upload_is_expired(gateway: Mill, client: httpx2.AsyncClient) -> None:
    upload_id = await begin(client, 4)
    async with gateway.database.transaction() as session:
        past = utc_now() - timedelta(seconds=1)
        await session.execute(update(Upload).where(Upload.id == upload_id).values(expires_at=past))
    assert (await client.get(f"/v1/uploads/{upload_id}")).json()["status"] == "expired"
    assert_openai_error(await send_part(client, upload_id, b"1234"), 400, code="upload_expired")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": "4"}, "bytes"),
        ({"bytes": 2**40}, "bytes"),
        ({"filename": ""}, "filename"),
        ({"purpose": "fun"}, "purpose"),
        ({"mime_type": None}, "mime_type"),
    ],
)
async def test_a_wrong_announcement_is_refused_by_name(
    gateway: Mill, client: httpx2.AsyncClient, change: dict[str, object], param: str
) -> None:
    body = {"bytes": 4, "filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune", **change}
    answer = await client.post("/v1/uploads", json=body)
    assert_openai_error(answer, 413 if change == {"bytes": 2**40} else 400, param=param)


async def test_another_projects_upload_is_not_there(gateway: Mill, client: httpx2.AsyncClient) -> None:
    upload_id = await begin(client, 4)
    async with await gateway.client(new_name("other")) as stranger:
        assert_openai_error(await stranger.get(f"/v1/uploads/{upload_id}"), 404)
        assert_openai_error(await send_part(stranger, upload_id, b"1234"), 404)
        assert_openai_error(await stranger.post(f"/v1/uploads/{upload_id}/cancel"), 404)
        answer = await stranger.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": ["x"]})
        assert_openai_error(answer, 404)
