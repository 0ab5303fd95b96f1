"""Files and orders as an attacker, or a bad day, makes them: each is refused over REST with a sentence, and the line
where there is one; none is a traceback, and the next dataset is prepared as ever."""

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx2
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.dataset_mill import make_csv, prepare, upload
from tests.support.gateway import Mill, assert_openai_error
from tests.support.old_workbooks import write_xls

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIR = json.dumps({"prompt": "a ->", "completion": " b"}).encode() + b"\n"
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(9))


def make_book(change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook of two rows, each part of it changed."""
    book = openpyxl.Workbook()
    for row in (("prompt", "completion"), ("BOOM", " b"), ("c ->", " d")):
        book.active.append(row)
    whole, out = io.BytesIO(), io.BytesIO()
    book.save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
    return out.getvalue()


def expand_entities(name: str, part: bytes) -> bytes:
    """Put 10 GB of entities into a kilobyte of strings."""
    if name != "xl/sharedStrings.xml":
        return part
    text = part.decode().replace("BOOM", "&e8;")
    head, found, rest = text.partition("<sst")
    return f"{head or ''}<!DOCTYPE sst [{ENTITIES}]>{found}{rest}".encode()


def make_parquet(column: pa.Array) -> bytes:
    """Return a table whose prompts are of an odd type."""
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": column, "completion": pa.array(["b"] * len(column))}), out)
    return out.getvalue()


def make_archive() -> bytes:
    """Return a zip archive of a table."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", make_csv(3))
    return out.getvalue()


# Name, content, the error's code, its line, and some of its words.
NASTY: tuple[tuple[str, bytes, str, int | None, str], ...] = (
    ("mark.csv", b"\xef\xbb\xbf", "unreadable_file", 1, "no header"),
    ("blank.csv", b"\n\n\n", "unreadable_file", 1, "no header"),
    ("numbers.json", b'{"data": [1, 2]}', "unusable_rows", None, "`prompt` column/key is missing"),
    ("list.jsonl", PAIR + b"[1]\n", "bad_source", 2, "expected a JSON object, found a list"),
    ("word.jsonl", PAIR + b'"a"\n', "bad_source", 2, "expected a JSON object, found a string"),
    ("deep.json", b"[" * 100_000, "bad_source", 1, ""),
    ("cut.json", b'[{"prompt":"a","completion":"b"}', "bad_source", 1, ""),
    ("cut.jsonl", PAIR + b'{"prompt":"a","compl', "bad_source", 2, "not JSON"),
    ("talk.jsonl", b'{"conversations":[{"from":"narrator","value":"x"}]}\n', "bad_source", 1, "unknown speaker"),
    ("fields.csv", b"prompt,completion\na,b\nc,d,e\n", "bad_source", 3, ""),
    ("bytes.jsonl", PAIR * 9 + b'{"prompt":"\xff","completion":"b"}\n', "bad_source", 10, "0xff"),
    ("twice.csv.gz", gzip.compress(gzip.compress(make_csv(3))), "unreadable_file", None, "compressed twice"),
    ("cut.csv.gz", gzip.compress(make_csv(300))[:-40], "unreadable_file", None, "gzip"),
    ("laughs.xlsx", make_book(expand_entities), "unreadable_file", None, "not a readable Excel workbook"),
    ("parts.xlsx", make_book(lambda name, part: part[: len(part) // 2]), "unreadable_file", None, "not a readable"),
    ("cut.xls", write_xls([("prompt", "completion"), ("a", "b")])[:1500], "unreadable_file", None, "not a readable"),
    ("cut.parquet", make_parquet(pa.array(["a"] * 50))[:200], "unreadable_file", 1, "not a readable Parquet"),
    ("archive.zip", make_archive(), "unreadable_file", None, "Unpack it first"),
    ("page.xls", b"<html><body><table>", "unreadable_file", None, "a web page"),
)


async def test_nasty_files_are_refused_with_a_sentence(mill: Mill, client: httpx2.AsyncClient) -> None:
    del mill

    async def refuse(name: str, content: bytes) -> dict[str, Any]:
        dataset = await prepare(client, {"file": await upload(client, content, name)}, timeout_seconds=120)
        assert dataset["status"] == "failed", (name, dataset)
        error: dict[str, Any] = dataset["error"]
        return error

    errors = await asyncio.gather(*(refuse(name, content) for name, content, *_ in NASTY))
    for (name, _, code, line, says), error in zip(NASTY, errors, strict=True):
        assert (name, error["code"], error.get("line")) == (name, code, line), error
        assert says in error["message"], error
        assert name in error["message"] or "sources" in error["message"], error
        assert not any(word in error["message"] for word in ("Traceback", "/tmp", "object at 0x", "Error(")), error
    good = await prepare(client, {"file": await upload(client, make_csv(12), "good.csv")}, validation_share=0)
    assert (good["status"], good["counts"]["kept"]) == ("succeeded", 12)


async def test_odd_values_are_read_and_a_wrong_content_type_is_no_matter(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    del mill
    odd = make_parquet(pa.array([{"a": 1}, None], pa.struct([("a", pa.int32())])))
    sources = [{"file": await upload(client, odd, "odd.parquet")}]
    parts: dict[str, Any] = {"file": ("a.png", make_csv(12), "image/png")}
    answer = await client.post("/v1/files", files=parts, data={"purpose": "fine-tune"})
    assert answer.status_code == 200, answer.text
    sources.append({"file": answer.json()["id"]})
    huge = json.dumps({"prompt": "p ->", "completion": "很长" * 1_000_000}, ensure_ascii=False).encode()
    sources.append({"file": await upload(client, huge, "huge.jsonl")})
    dataset = await prepare(client, *sources, validation_share=0, timeout_seconds=120)
    assert dataset["status"] == "succeeded", dataset["error"]
    assert {"value_read_as_text", "null_read_as_empty"} & {finding["code"] for finding in dataset["findings"]}


async def test_an_empty_file_is_not_taken(mill: Mill, client: httpx2.AsyncClient) -> None:
    del mill
    parts: dict[str, Any] = {"file": ("a.jsonl", b"")}
    answer = await client.post("/v1/files", files=parts, data={"purpose": "fine-tune"})
    assert assert_openai_error(answer, 400, param="file")["message"] == "file: it is empty."


BAD_CHOICES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"encoding": 1252}, "sources.0.encoding"),
    ({"encoding": "a b"}, "sources.0.encoding"),
    ({"encoding": "rot13"}, "sources.0.encoding"),
    ({"sheet": 2}, "sources.0.sheet"),
    ({"sheet": ""}, "sources.0.sheet"),
    ({"prompt_field": ["a"]}, "sources.0.prompt_field"),
    ({"completion_field": "x" * 513}, "sources.0.completion_field"),
    ({"delimiter": ";"}, "sources.0.delimiter"),
)


@pytest.mark.parametrize(("choice", "param"), BAD_CHOICES)
async def test_a_wrong_choice_for_a_file_is_refused_by_name(
    gateway: Mill, client: httpx2.AsyncClient, choice: dict[str, Any], param: str
) -> None:
    source = {"file": await upload(client, make_csv(3), "a.csv"), **choice}
    before = await gateway.count_rows()
    answer = await client.post("/v1/datasets", json={"sources": [source]})
    assert_openai_error(answer, 400, param=param)
    assert await gateway.count_rows() == before
