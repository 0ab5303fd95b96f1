"""Datasets of uploaded files: several kinds joined, bad lines named, wrong orders refused with nothing written."""

import io
import json
from typing import Any

import httpx2
import openpyxl
import pytest

from tests.support.dataset_mill import export, make_csv, prepare, read_rows, upload
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = {"messages": [{"role": "user", "content": "Who came?"}, {"role": "assistant", "content": "A hero, at dawn."}]}


async def test_a_row_of_a_file_names_file_and_line(mill: Mill, client: httpx2.AsyncClient) -> None:
    first = await upload(client, make_csv(20), "first.csv")
    second = await upload(client, make_csv(10, start=100).decode().encode("utf-16"), "second.csv")
    dataset = await prepare(client, {"file": first}, {"file": second})
    assert dataset["status"] == "succeeded", dataset["error"]
    assert dataset["counts"]["rows"] == 30
    rows = await read_rows(client, dataset["id"])
    assert [row["file_id"] for row in rows] == [first] * 20 + [second] * 10
    assert [row["line"] for row in rows] == [*range(2, 22), *range(2, 12)]
    assert rows[20]["row"]["prompt"].startswith("100 heroes")


async def test_pairs_and_talks_become_one_set_of_talks(mill: Mill, client: httpx2.AsyncClient) -> None:
    pairs = await upload(client, make_csv(5), "pairs.csv")
    talks = await upload(client, json.dumps(CHAT).encode(), "talks.jsonl")
    dataset = await prepare(client, {"file": pairs}, {"file": talks}, format="chat", validation_share=0)
    assert dataset["status"] == "succeeded", dataset["error"]
    rows = await export(client, dataset["id"], "train")
    assert len(rows) == 6
    assert rows[-1] == CHAT
    alone = await prepare(client, {"file": talks}, validation_share=0)
    assert alone["template"]["format"] == "chat"
    turned = await prepare(client, {"file": talks}, {"file": pairs}, format="completion", validation_share=0)
    assert (await export(client, turned["id"], "train"))[0]["prompt"].startswith("Who came?")


async def test_duplicates_go_and_chosen_fixes_are_applied_or_left_out(mill: Mill, client: httpx2.AsyncClient) -> None:
    content = make_csv(20) + make_csv(20).split(b"\r\n", 1)[1] + b"a,As an AI language model I cannot do that.\r\n"
    file_id = await upload(client, content, "twice.csv")
    dataset = await prepare(client, {"file": file_id}, apply=["refusal"])
    assert (dataset["counts"]["rows"], dataset["counts"]["kept"]) == (41, 20)
    assert "refusal" in {finding["code"] for finding in dataset["findings"]}
    assert {"refusal", "add_separator"} <= set(dataset["fixes"])
    plain = await prepare(client, {"file": file_id}, skip=["add_separator"], validation_share=0)
    assert plain["counts"]["kept"] == 21
    assert plain["template"]["separator"] != " ->"


async def test_a_bad_file_is_named_with_line_and_reason_and_nothing_is_lost(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    good = [json.dumps({"prompt": f"p{n}", "completion": f"Story {n}."}) for n in range(3)]
    file_id = await upload(client, "\n".join([*good[:2], '{"prompt": oops}', good[2]]).encode(), "故事.jsonl")
    dataset = await prepare(client, {"file": file_id})
    error = dataset["error"]
    assert dataset["status"] == "failed"
    assert (error["code"], error["file"], error["line"], error["column"]) == ("bad_source", file_id, 3, 12)
    assert error["message"].startswith("故事.jsonl, line 3, column 12: ")
    corrected = (await client.get(f"/v1/files/{error['corrected_file']}/content")).text.splitlines()
    assert [json.loads(line)["prompt"] for line in corrected] == ["p0", "p1", "p2"]
    rejected = json.loads((await client.get(f"/v1/files/{error['rejected_file']}/content")).text)
    assert (rejected["line"], rejected["raw"]) == (3, '{"prompt": oops}')
    mended = await prepare(client, {"file": error["corrected_file"]}, validation_share=0)
    assert mended["counts"]["kept"] == 3


async def test_an_unclear_encoding_is_asked_back_and_a_named_one_counts(mill: Mill, client: httpx2.AsyncClient) -> None:
    # What all completions begin with would be taken away.
    lines = [f"Příběh {n},{n} Žluťoučký kůň úpěl ďábelské ódy {n}." for n in range(3)]
    file_id = await upload(client, "\n".join(["prompt,completion", *lines]).encode("iso8859_2"), "cs.csv")
    answer = await client.post("/v1/datasets", json={"sources": [{"file": file_id}]})
    error = assert_openai_error(answer, 400, param="sources.0.encoding", code="encoding_unclear")
    assert error["message"].startswith("File cs.csv is not UTF-8")
    assert "  iso8859_2: Příběh 0,0 Žluťoučký" in error["message"]
    assert "cp1250: " in error["message"]
    unknown = {"sources": [{"file": file_id, "encoding": "klingon"}]}
    assert_openai_error(await client.post("/v1/datasets", json=unknown), 400, param="sources.0.encoding")
    source = {"file": file_id, "encoding": "iso8859_2"}
    dataset = await prepare(client, source, validation_share=0)
    assert (dataset["status"], dataset["sources"]) == ("succeeded", [source])
    assert "Žluťoučký kůň úpěl ďábelské ódy 2." in (await export(client, dataset["id"], "train"))[2]["completion"]


async def test_sheet_and_fields_are_chosen(mill: Mill, client: httpx2.AsyncClient) -> None:
    book = openpyxl.Workbook()
    book.active.append(["nothing here"])
    sheet = book.create_sheet("Daten")
    for row in [("Frage", "Antwort"), *((f"Wer {n}?", f"{name} kam.") for n, name in enumerate(["Ada", "Ben", "Cem"]))]:
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    file_id = await upload(client, content.getvalue(), "a.xlsx")
    source = {"file": file_id, "sheet": "Daten", "prompt_field": "Frage", "completion_field": "Antwort"}
    dataset = await prepare(client, source, validation_share=0)
    assert (dataset["status"], dataset["sources"]) == ("succeeded", [source])
    assert "Cem" in (await export(client, dataset["id"], "train"))[2]["completion"]
    error = (await prepare(client, {**source, "sheet": "Data"}))["error"]
    assert (error["code"], error["message"]) == (
        "unreadable_file",
        "a.xlsx has no sheet `Data`; there are `Sheet`, `Daten`.",
    )
    error = (await prepare(client, {**source, "prompt_field": "Fragen"}))["error"]
    assert "There is no column `Fragen`; there are `Frage`, `Antwort`." in error["message"]


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("a.csv", b"prompt,text\na,b\n", "unusable_rows", "`completion` column/key is missing"),
        ("a.bin", b"\x00\x01\x02nothing", "unreadable_file", "a.bin"),
        ("a.csv.gz", b"\x1f\x8bbroken", "unreadable_file", "a.csv.gz"),
        ("a.csv", b"prompt,completion\n", "unusable_rows", "no rows"),
        ("a.csv", b"prompt,completion\na,\n", "unusable_rows", ""),
    ],
)
async def test_a_file_that_makes_no_dataset_says_why(
    mill: Mill, client: httpx2.AsyncClient, name: str, content: bytes, code: str, says: str
) -> None:
    dataset = await prepare(client, {"file": await upload(client, content, name)})
    assert (dataset["status"], dataset["error"]["code"]) == ("failed", code)
    assert says in dataset["error"]["message"]
    assert "/tmp" not in dataset["error"]["message"]
    assert_openai_error(await client.get(f"/v1/datasets/{dataset['id']}/rows"), 400, code="conflict")


BAD_ORDERS: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no sources": ({}, 400, "sources"),
    "empty sources": ({"sources": []}, 400, "sources"),
    "unknown generation": ({"sources": [{"generation": "gen_1"}]}, 404, "sources.0"),
    "unknown file": ({"sources": [{"file": "file-1"}]}, 404, "sources.0"),
    "source of no kind": ({"sources": [{"url": "x"}]}, 400, None),
    "both kinds in one": ({"sources": [{"file": "file-1", "generation": "gen_1"}]}, 400, None),
    "half and more held out": ({"sources": [{"file": "file-1"}], "validation_share": 0.6}, 400, "validation_share"),
    "unknown format": ({"sources": [{"file": "file-1"}], "format": "poem"}, 400, "format"),
    "unknown field": ({"sources": [{"file": "file-1"}], "quiet": True}, 400, "quiet"),
    "a code that is none": ({"sources": [{"file": "file-1"}], "apply": ["Über alles"]}, 400, "apply.0"),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
async def test_a_wrong_order_is_refused_and_nothing_is_written(
    gateway: Mill, client: httpx2.AsyncClient, case: str
) -> None:
    body, status, param = BAD_ORDERS[case]
    before = await gateway.count_rows()
    error = assert_openai_error(await client.post("/v1/datasets", json=body), status)
    assert param is None or error["param"] == param
    assert await gateway.count_rows() == before


async def test_an_empty_generation_is_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    recipe = {"template": new_name("写") + "{{ a }}", "attributes": {"a": ["唐"]}, "model": "scripted-1"}
    run = (await client.post("/v1/generations", json={"recipe": recipe})).json()
    body = {"sources": [{"generation": run["id"]}]}
    assert_openai_error(await client.post("/v1/datasets", json=body), 400, param="sources.0", code="empty_source")


async def test_another_projects_file_is_no_source(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file_id = await upload(client, make_csv(2), "a.csv")
    async with await gateway.client(new_name("other")) as stranger:
        body = {"sources": [{"file": file_id}]}
        assert_openai_error(await stranger.post("/v1/datasets", json=body), 404, param="sources.0")


async def test_a_deleted_dataset_takes_its_files_along_unless_another_has_them(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    async with await mill.client(new_name("tidy")) as tidy:
        source = {"file": await upload(tidy, make_csv(20), "a.csv")}
        first, second = [await prepare(tidy, source) for _ in range(2)]
        assert first["version"] == second["version"]
        made = [file_id for file_id in first["files"].values() if file_id]
        assert_openai_error(await client.delete(f"/v1/datasets/{first['id']}"), 404)
        for dataset, status in ((first, 200), (second, 404)):
            answer = await tidy.delete(f"/v1/datasets/{dataset['id']}")
            assert answer.json() == {"id": dataset["id"], "object": "dataset", "deleted": True}
            assert (await tidy.get(f"/v1/datasets/{dataset['id']}")).status_code == 404
            assert (await tidy.get(f"/v1/files/{made[0]}/content")).status_code == status
        assert [file["id"] for file in (await tidy.get("/v1/files")).json()["data"]] == [source["file"]]


async def test_a_dataset_that_a_job_was_made_with_stays(mill: Mill, client: httpx2.AsyncClient) -> None:
    del mill
    dataset = await prepare(client, {"file": await upload(client, make_csv(30), "b.csv")})
    job = await client.post("/v1/fine_tuning/jobs", json={"model": MODEL, "training_file": dataset["files"]["train"]})
    assert job.status_code == 200, job.text
    refused = await client.delete(f"/v1/datasets/{dataset['id']}")
    assert_openai_error(refused, 400, code="dataset_in_use")
    assert job.json()["id"] in refused.json()["error"]["message"]
