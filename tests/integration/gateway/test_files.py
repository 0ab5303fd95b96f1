"""OpenAI's files over the live gateway: uploaded, listed, read, deleted, and kept apart by project."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name, open_mill
from tests.support.gateway_fixtures import Stores

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = '{"prompt": "唐,隐形,轻松", "completion": "从前。"}\n'.encode()


async def upload(
    client: httpx2.AsyncClient, content: bytes = ROWS, name: str = "故事.jsonl", **data: str
) -> dict[str, Any]:
    """Upload a file and return its object."""
    response = await client.post("/v1/files", files={"file": (name, content)}, data={"purpose": "fine-tune", **data})
    assert response.status_code == 200, response.text
    file: dict[str, Any] = response.json()
    return file


async def test_a_file_comes_back_byte_for_byte(gateway: Mill, client: httpx2.AsyncClient) -> None:
    content = bytes(range(256)) * 20_000
    file = await upload(client, content)
    assert file | {"id": "", "created_at": 0} == {
        "id": "",
        "object": "file",
        "bytes": len(content),
        "created_at": 0,
        "filename": "故事.jsonl",
        "purpose": "fine-tune",
        "status": "processed",
        "status_details": None,
    }
    assert (await client.get(f"/v1/files/{file['id']}")).json() == file
    read = await client.get(f"/v1/files/{file['id']}/content")
    assert read.content == content
    assert read.headers["content-length"] == str(len(content))


async def test_the_purpose_may_come_after_the_file(gateway: Mill, client: httpx2.AsyncClient) -> None:
    border = "x" * 30
    file = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="data/a.jsonl"\r\n\r\n'.encode() + ROWS
    purpose = f'\r\n--{border}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--{border}--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary={border}"}
    response = await client.post("/v1/files", content=file + purpose.encode(), headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["filename"] == "a.jsonl"
    assert response.json()["bytes"] == len(ROWS)


async def test_the_official_client_uploads_pages_reads_and_deletes(gateway: Mill) -> None:
    key = await gateway.key(new_name("project"))
    async with openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0) as api:
        made = [await api.files.create(file=(f"{n}.jsonl", ROWS), purpose="fine-tune") for n in range(3)]
        other = await api.files.create(file=("n.csv", b"prompt,completion\na,b\n"), purpose="user_data")
        assert [file.id async for file in api.files.list(limit=2)] == [other.id, *(file.id for file in made[::-1])]
        assert [file.id async for file in api.files.list(purpose="user_data")] == [other.id]
        assert (await api.files.wait_for_processing(made[0].id)).status == "processed"
        assert (await api.files.content(made[0].id)).content == ROWS
        assert (await api.files.delete(made[0].id)).deleted
        assert (await api.files.content(made[1].id)).content == ROWS
        with pytest.raises(openai.NotFoundError):
            await api.files.retrieve(made[0].id)


async def test_the_bytes_go_with_the_last_file_that_is_made_of_them(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = new_name("only here").encode()
    first, second = await upload(client, content), await upload(client, content)

    def find_objects() -> list[Path]:
        return [path for path in gateway.objects_dir.rglob("*") if path.is_file() and path.read_bytes() == content]

    assert len(find_objects()) == 1
    await client.delete(f"/v1/files/{first['id']}")
    assert len(find_objects()) == 1
    await client.delete(f"/v1/files/{second['id']}")
    assert find_objects() == []


async def test_uploads_and_deletions_of_the_same_bytes_lose_none(gateway: Mill, client: httpx2.AsyncClient) -> None:
    content = new_name("contended").encode()
    for _ in range(5):
        old = await upload(client, content)
        new, _ = await asyncio.gather(upload(client, content), client.delete(f"/v1/files/{old['id']}"))
        assert (await client.get(f"/v1/files/{new['id']}/content")).content == content
        await client.delete(f"/v1/files/{new['id']}")


async def test_a_local_path_in_place_of_an_id_is_not_found_in_the_form_that_old_clients_need(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    assert_openai_error(await client.get("/v1/files/data%2Fprepared.jsonl"), 404, code="not_found")
    assert_openai_error(await client.get("/v1/files/file-1/content"), 404, code="not_found")


async def test_another_projects_file_is_not_there(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file = await upload(client)
    async with await gateway.client(new_name("other")) as stranger:
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            assert_openai_error(await stranger.request(method, f"/v1/files/{file['id']}{path}"), 404)
        assert (await stranger.get("/v1/files")).json()["data"] == []
        assert_openai_error(await stranger.get(f"/v1/files?after={file['id']}"), 404)


@pytest.mark.parametrize(
    ("files", "data", "param"),
    [
        ({"file": ("a.jsonl", ROWS)}, {}, "purpose"),
        ({"file": ("a.jsonl", ROWS)}, {"purpose": "fun"}, "purpose"),
        ({"file": ("a.jsonl", b"")}, {"purpose": "fine-tune"}, "file"),
        ({"other": ("a.jsonl", ROWS)}, {"purpose": "fine-tune"}, "file"),
        (None, {"purpose": "fine-tune"}, "file"),
    ],
)
async def test_a_form_that_lacks_something_is_refused_by_name(
    gateway: Mill, client: httpx2.AsyncClient, files: Any, data: dict[str, str], param: str
) -> None:
    before = await gateway.count_rows()
    assert_openai_error(await client.post("/v1/files", files=files, data=data), 400, param=param)
    assert await gateway.count_rows() == before


async def test_a_broken_form_is_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert_openai_error(await client.post("/v1/files", content=b"--b\r\nnonsense", headers=headers), 400)
    assert_openai_error(await client.post("/v1/files", json={}), 400)


async def test_the_same_upload_under_one_idempotency_key_is_one_file(gateway: Mill, client: httpx2.AsyncClient) -> None:
    headers = {"idempotency-key": new_name("key")}
    parts: dict[str, Any] = {"files": {"file": ("a.jsonl", ROWS)}, "data": {"purpose": "fine-tune"}}
    answers = [await client.post("/v1/files", headers=headers, **parts) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len((await client.get("/v1/files")).json()["data"]) == 1


async def pieces(count: int) -> AsyncIterator[bytes]:
    """A body that declares no length."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    for _ in range(count):
        yield b"x" * 1024


async def test_a_file_over_the_limit_is_413_also_when_it_declares_no_length(stores: Stores, tmp_path: Path) -> None:
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(tmp_path, **urls, max_body_bytes=1024, max_file_bytes=100_000) as small:
        async with await small.client() as client:
            assert (await upload(client, b"x" * 50_000))["bytes"] == 50_000
            parts: dict[str, Any] = {"files": {"file": ("a", b"x" * 100_000)}, "data": {"purpose": "fine-tune"}}
            assert_openai_error(await client.post("/v1/files", **parts), 413, code="request_too_large")
            headers = {"content-type": "multipart/form-data; boundary=b"}
            answer = await client.post("/v1/files", content=pieces(200), headers=headers)
            assert_openai_error(answer, 413, code="request_too_large")
        assert not list((small.objects_dir / "incoming").glob("*"))
