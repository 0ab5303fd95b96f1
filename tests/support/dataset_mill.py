"""What tests of datasets do: write the article's stories through the mill, upload files, order datasets and wait."""

import csv
import io
import json
from collections import Counter
from typing import Any

import httpx2

from tests.support.gateway import Mill
from tests.support.interactive import eventually_async
from tests.support.stack import PROJECT_ROOT
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, prompt_of

SAMPLES = PROJECT_ROOT / "data" / "samples" / "ultraman_stories.csv"
RECIPE = PROJECT_ROOT / "data" / "recipes" / "ultraman.json"
OVER = {"succeeded", "failed", "cancelled"}


class Author:
    """Writes the sample story of the cell that a prompt names; asked again, another one of the same cell."""

    def __init__(self) -> None:
        with SAMPLES.open(encoding="utf-8") as lines:
            self.samples = list(csv.DictReader(lines))
        self.asked: Counter[str] = Counter()

    def write(self, body: dict[str, Any]) -> str:
        """Return the story."""
        prompt = prompt_of(body)
        turn = self.asked[prompt]
        self.asked[prompt] += 1
        found = next(s for s in self.samples if all(s[n] in prompt for n in ("dynasty", "super_power", "story_type")))
        sentences = [part for part in found["story"].replace("\n", "").split("。") if part]
        orders = (sentences, sentences[::-1], [*sentences[1::2], *sentences[::2]])
        return "。".join(orders[turn % 3]) + "。"


async def write_article(mill: Mill, client: httpx2.AsyncClient, **options: Any) -> str:
    """Run the article's recipe (486 stories unless `options` say less) and return the run's id."""
    mill.upstream.default = Script(text=Author().write)
    recipe = {**json.loads(RECIPE.read_text(encoding="utf-8")), "model": MODEL}
    made = await client.post("/v1/generations", json={"recipe": recipe, **options})
    assert made.status_code == 202, made.text
    run_id: str = made.json()["id"]
    run = await wait_for(client, f"/v1/generations/{run_id}")
    assert run["status"] == "succeeded", run
    return run_id


async def upload(client: httpx2.AsyncClient, content: bytes, name: str) -> str:
    """Upload a file and return its id."""
    parts: dict[str, Any] = {"files": {"file": (name, content)}, "data": {"purpose": "fine-tune"}}
    response = await client.post("/v1/files", **parts)
    assert response.status_code == 200, response.text
    file_id: str = response.json()["id"]
    return file_id


async def order(client: httpx2.AsyncClient, *sources: dict[str, str], **options: Any) -> dict[str, Any]:
    """Order a dataset and return it as it was accepted."""
    response = await client.post("/v1/datasets", json={"sources": list(sources), **options})
    assert response.status_code == 202, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/datasets/{made['id']}"
    assert made["status"] == "queued"
    return made


async def prepare(
    client: httpx2.AsyncClient, *sources: dict[str, str], timeout_seconds: float = 60, **options: Any
) -> dict[str, Any]:
    """Order a dataset and return it as it ended."""
    made = await order(client, *sources, **options)
    return await wait_for(client, f"/v1/datasets/{made['id']}", timeout_seconds=timeout_seconds)


async def wait_for(client: httpx2.AsyncClient, path: str, *, timeout_seconds: float = 60) -> dict[str, Any]:
    """Wait until what lies at `path` is over, and return it."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await client.get(path)).json())
        return found["status"] in OVER

    await eventually_async(is_over, timeout_seconds=timeout_seconds, what=f"{path} to be over")
    return found


async def read_rows(client: httpx2.AsyncClient, dataset_id: str, **params: Any) -> list[dict[str, Any]]:
    """Return all rows, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        after = {"after": rows[-1]["id"]} if rows else {}
        page = await read_page(client, dataset_id, **{"limit": 200, **params, **after})
        rows += page["data"]
        if not page["has_more"]:
            return rows


async def read_page(client: httpx2.AsyncClient, dataset_id: str, **params: Any) -> dict[str, Any]:
    """Return one page of rows."""
    response = await client.get(f"/v1/datasets/{dataset_id}/rows", params=params)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def export(client: httpx2.AsyncClient, dataset_id: str, split: str) -> list[dict[str, Any]]:
    """Return the rows of one side as they are trained on."""
    response = await client.get(f"/v1/datasets/{dataset_id}/export", params={"split": split})
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def make_csv(rows: int, *, start: int = 0) -> bytes:
    """Return a table of rows without a fault, no two alike."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["prompt", "completion"])
    for number in range(start, start + rows):
        words = " ".join(f"word{(number * 7919 + step * step * 104_729) % 99_991}" for step in range(30))
        writer.writerow([f"{number} heroes against {number * 7} monsters, story {number}", f"{words}."])
    return out.getvalue().encode()
