"""/v1/files with the official client and, where it cannot go, raw multipart."""

import time
from collections.abc import Iterator

import httpx2
import openai
import pytest

from services.engine.store import open_store
from tests.support.engine_process import EngineProcess
from tests.support.tiny_model import build_tiny_model

LIMIT_BYTES = 200_000
BOUNDARY = "b0undary"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    model = build_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    limit = str(LIMIT_BYTES)
    running = EngineProcess(model, tmp_path_factory.mktemp("state"), STORYMILL_ENGINE_TRAINING_FILE_BYTES=limit)
    yield running
    running.stop()


@pytest.fixture
def client(engine: EngineProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """Build a body from (disposition, content type, content) in the order given."""
    body = b""
    for disposition, kind, content in parts:
        header = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
        header += f"Content-Type: {kind}\r\n\r\n" if kind else "\r\n"
        body += header.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


PURPOSE = ('name="purpose"', "", b"fine-tune")
FILE = ('name="file"; filename="data/故事.jsonl"', "application/octet-stream", b'{"a":1}\n')


def post(
    engine: EngineProcess, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> httpx2.Response:
    return httpx2.post(f"{engine.base_url}/files", content=body, headers={"content-type": kind}, timeout=30)


@pytest.mark.parametrize("parts", [(PURPOSE, FILE), (FILE, PURPOSE)], ids=["purpose first", "file first"])
def test_fields_may_come_in_any_order(engine: EngineProcess, parts: tuple[tuple[str, str, bytes], ...]) -> None:
    answer = post(engine, form(*parts))
    assert answer.status_code == 200
    file = answer.json()
    assert (file["filename"], file["bytes"], file["purpose"]) == ("故事.jsonl", 8, "fine-tune")
    assert (file["object"], file["status"]) == ("file", "processed")
    assert answer.headers["x-request-id"]


def test_a_repeated_upload_is_answered_with_the_first_file(client: openai.OpenAI, engine: EngineProcess) -> None:
    def send(content: bytes, key: str = "first") -> openai.types.FileObject:
        headers = {"Idempotency-Key": key}
        return client.files.create(file=("a.jsonl", content), purpose="fine-tune", extra_headers=headers)

    first = send(b"{}")
    stored = sorted((engine.state_dir / "files").iterdir())
    assert send(b"{}") == first
    assert sorted((engine.state_dir / "files").iterdir()) == stored
    assert send(b"{}", key="second").id != first.id
    with pytest.raises(openai.BadRequestError) as caught:
        send(b"[]")
    assert caught.value.code == "idempotency_key_reused"
    client.files.delete(first.id)
    assert send(b"{}").id != first.id


def test_bytes_come_back_as_they_were_sent(client: openai.OpenAI) -> None:
    content = bytes(range(256)) * 700
    file = client.files.create(file=("x.bin", content), purpose="user_data")
    assert client.files.content(file.id).read() == content
    assert client.files.retrieve(file.id).bytes == len(content)
    assert client.files.delete(file.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)


def test_files_are_listed_by_page_order_and_purpose(client: openai.OpenAI) -> None:
    made = [client.files.create(file=("x", b"x"), purpose="evals").id for _ in range(3)]
    assert [file.id for file in client.files.list(purpose="evals", limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(purpose="evals", limit=2, order="asc")] == made
    assert client.files.list(purpose="evals", limit=2).has_more
    assert client.files.list(purpose="vision").data == []


def test_a_file_can_be_given_a_lifetime(client: openai.OpenAI, engine: EngineProcess) -> None:
    file = client.files.create(
        file=("x", b"x"), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    with open_store(engine.state_dir).write() as connection:  # an hour passes
        connection.execute("UPDATE files SET expires_at = ? WHERE id = ?", (int(time.time()) - 1, file.id))
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_file_over_the_limit_is_refused_with_or_without_its_length(engine: EngineProcess) -> None:
    big = form(PURPOSE, ('name="file"; filename="x"', "", b"x" * (LIMIT_BYTES + 1)))
    huge = form(PURPOSE, ('name="file"; filename="x"', "", b"x" * (3 * LIMIT_BYTES)))
    for body in (big, huge):
        answer = post(engine, body)
        assert answer.status_code == 413
        assert answer.json()["error"]["param"] == "file"
    folder = engine.state_dir / "files"
    assert not list(folder.glob(".upload-*"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(FILE), "purpose"),
        (form(PURPOSE), "file"),
        (form(('name="purpose"', "", b"mischief"), FILE), "purpose"),
        (form(PURPOSE, FILE, FILE), "file"),
        (form(PURPOSE, ('name="expires_after[seconds]"', "", b"60"), FILE), "expires_after"),
        (
            form(
                PURPOSE,
                ('name="expires_after[anchor]"', "", b"created_at"),
                ('name="expires_after[seconds]"', "", b"1"),
                FILE,
            ),
            "expires_after",
        ),
        (form(PURPOSE, FILE)[:-30], None),
        (b"nonsense", None),
        (b"", None),
    ],
)
def test_a_bad_upload_gets_openais_error_and_leaves_nothing(
    engine: EngineProcess, body: bytes, param: str | None
) -> None:
    before = sorted((engine.state_dir / "files").iterdir())
    answer = post(engine, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert sorted((engine.state_dir / "files").iterdir()) == before


def test_an_upload_that_is_no_form_is_refused(engine: EngineProcess) -> None:
    for kind in ("application/json", "multipart/form-data"):
        assert post(engine, b"{}", kind).status_code == 400


def test_a_local_path_asked_for_as_an_id_is_not_found(engine: EngineProcess) -> None:
    answer = httpx2.get(f"{engine.base_url}/files/data%2Fprepared.jsonl")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "No such File object: data/prepared.jsonl"


def test_bad_paging_is_a_400_that_names_the_field(engine: EngineProcess) -> None:
    for query in ("limit=0", "limit=x", "order=sideways"):
        answer = httpx2.get(f"{engine.base_url}/files?{query}")
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == query.split("=")[0]
