"""What a run's export says in every format is what a preparation reads of it, in eight languages."""

from pathlib import Path

import httpx2
import openpyxl
import pytest

from services.preparation.reading.read_file import read_file
from tests.support.dataset_mill import wait_for
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORIES = {
    "English": "“It’s fine”, he said;\nthen left.",
    "German": "Grüße aus Köln, „schön“\tfür dich, 007",
    "French": "L’élève naïf où ça, œuvre\r\n=1+1",
    "Russian": "Жил-был старик; «море» _x0041_",
    "Chinese": "从前，有座山。𠮷<b>&amp;</b>",
    "Japanese": 'むかしむかし、"東京" \ufffe',
    "Arabic": "كان يا ما كان, 1.50",
    "Hindi": "एक बार की बात है 😀 TRUE",
}
FORMATS = ("csv", "jsonl", "parquet", "xlsx")


async def run_recipe(client: httpx2.AsyncClient, languages: list[str]) -> str:
    """Write a story in each of these languages; return the run's id."""
    recipe = {"template": new_name("tell") + "{{ language }}", "attributes": {"language": languages}, "model": MODEL}
    run_id: str = (await client.post("/v1/generations", json={"recipe": recipe})).json()["id"]
    assert (await wait_for(client, f"/v1/generations/{run_id}"))["status"] == "succeeded"
    return run_id


async def test_an_export_in_every_format_reads_back_equal(
    mill: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    mill.upstream.default = Script(
        text=lambda body: next(text for language, text in STORIES.items() if language in prompt_of(body))
    )
    run_id = await run_recipe(client, list(STORIES))
    for name in FORMATS:
        answers = [await client.get(f"/v1/generations/{run_id}/export", params={"format": name}) for _ in range(2)]
        assert answers[0].status_code == 200, answers[0].text
        assert answers[0].content == answers[1].content
        path = tmp_path / f"run.{name}"
        path.write_bytes(answers[0].content)
        read = read_file(path)
        with read.store as store:
            pairs = [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]
        assert (name, pairs) == (name, list(STORIES.items()))
        assert not read.problems
    sheet = openpyxl.load_workbook(tmp_path / "run.xlsx")["Stories"]
    assert [cell.value for cell in next(sheet.iter_rows())] == ["language", "story"]
    assert sheet.cell(2, 2).value == STORIES["English"]


async def test_a_story_that_no_cell_holds_is_refused_and_not_cut(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.default = Script(text="故" * 32_768)
    run_id = await run_recipe(client, ["any"])
    error = assert_openai_error(
        await client.get(f"/v1/generations/{run_id}/export", params={"format": "xlsx"}), 400, param="format"
    )
    assert "32,767 characters" in error["message"]
    assert "csv, jsonl or parquet" in error["message"]
