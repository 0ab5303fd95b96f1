"""docs/api.md: what it tells readers to type works, and it leaves no route out."""

import asyncio
import os
import re
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import Mill
from tests.support.stack import PROJECT_ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


async def test_every_command_of_the_page_works(mill: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    mill.upstream.models.append("text-davinci-003")
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        env={**os.environ, "MILL": mill.base_url, "MILL_KEY": await mill.key()},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        output, errors = await process.communicate()
    assert process.returncode == 0, output.decode()[-2000:] + errors.decode()
    assert (tmp_path / "heroes.csv").read_text(encoding="utf-8").startswith("dynasty,power,story\n")
    assert (tmp_path / "heroes.parquet").stat().st_size > 0


async def test_the_page_names_every_route(gateway: Mill, client: httpx2.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    stems = {re.split(r"[/{]", path.removeprefix("/v1/").removeprefix("/"))[0] for path in paths}
    last_words = {path.rsplit("/", 1)[-1] for path in paths if not path.endswith("}")}
    assert sorted(word for word in stems | last_words if word not in PAGE) == []
