"""docs/api.md: what it tells readers to type works, and it leaves no route out."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from storymill.cli.options import DEFAULT_STATE_DIR
from storymill.launcher.credentials import Credentials, write_credentials
from tests.support.gateway import Mill
from tests.support.pages import PageRun
from tests.support.stack import PROJECT_ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = PROJECT_ROOT / "docs" / "api.md"


async def test_every_block_of_the_page_works(mill: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    mill.upstream.models.append("text-davinci-003")
    reader = tmp_path / "reader"
    told = Credentials(base_url=f"{mill.base_url}/v1", streaming_url="http://127.0.0.1:9", api_key=await mill.key())
    (reader / DEFAULT_STATE_DIR).mkdir(parents=True)
    write_credentials(reader / DEFAULT_STATE_DIR, told)
    run = PageRun(PAGE, reader, {})
    await asyncio.to_thread(run.run, 200)
    assert (reader / "heroes.csv").read_text(encoding="utf-8").startswith("dynasty,power,story\n")
    assert (reader / "heroes.parquet").stat().st_size > 0
    assert (reader / "heroes.xlsx").read_bytes().startswith(b"PK")


async def test_the_page_names_every_route(gateway: Mill, client: httpx2.AsyncClient) -> None:
    page = PAGE.read_text(encoding="utf-8")
    paths = (await client.get("/openapi.json")).json()["paths"]
    stems = {re.split(r"[/{]", path.removeprefix("/v1/").removeprefix("/"))[0] for path in paths}
    last_words = {path.rsplit("/", 1)[-1] for path in paths if not path.endswith("}")}
    assert sorted(word for word in stems | last_words if word not in page) == []
