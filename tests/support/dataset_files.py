"""Seeded generation of dataset files that wake every rule of the public tool."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Literal

HAN = "唐宋元明清隐形飞行读心术轻松努力艰难英雄怪兽城市家园山河学校故事古代现代穿越奥特曼并肩作战击败守护天空海洋"
WORDS = [
    "the",
    "hero",
    "met",
    "a",
    "monster",
    "near",
    "old",
    "river",
    "and",
    "they",
    "fought",
    "until",
    "dawn",
    "came",
    "over",
    "quiet",
    "hills",
    "while",
    "people",
    "slept",
]
ENDS = ["。", "！", ".", " END", "\n", "？", "...", "", "***", "次。", " THE END OF STORY"]
PROMPT_ENDS = ["", "", "", " ->", "\n\n###\n\n", ",轻松", "?", ":\n\n", " a very long ending"]
ODD = [
    "/",
    "\\",
    '"',
    "\t",
    "\x07",
    "\x1b",
    "\x7f",
    "é",
    "😀",
    "\u2028",
    "\r",
    "%%%",
    " ->",
    "3.5",
    "###",
    "ß",
    "İ",
    "ﬁ",
    "𝐀",
]


def write_dataset(folder: Path, seed: int) -> Path:
    """Write one file; its kind, size and oddities follow from the seed."""
    chance = random.Random(seed)
    if seed % 20 == 7:
        return _write_finished(folder / f"{seed:04d}.jsonl", chance)
    rows = _rows(chance)
    kind = chance.choice(["csv", "csv", "csv", "tsv", "jsonl", "jsonl", "jsonl", "json", "txt"])
    path = folder / f"{seed:04d}.{kind}"
    columns = _columns(chance)
    {"csv": _write_table, "tsv": _write_table, "json": _write_json, "jsonl": _write_json, "txt": _write_text}[kind](
        path, rows, columns, chance
    )
    return path


def _write_finished(path: Path, chance: random.Random) -> Path:
    """A file that needs no fix."""
    pairs = [(f"{_text(chance, False, 6)}{n} ->", f" {_text(chance, True, 20)} {n} END") for n in range(12)]
    lines = [json.dumps({"prompt": prompt, "completion": completion}) for prompt, completion in pairs]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _rows(chance: random.Random) -> list[tuple[str, str]]:
    count = chance.choice([1, 2, 3, 8, 20, 40, 60, 120])
    task = chance.choice(["generate"] * 5 + ["classify", "classify", "open", "same_prompt", "same_completion"])
    shared = {
        "prompt_prefix": chance.choice(["", "", "", "Q: ", "Write a story about "]),
        "completion_prefix": chance.choice(["", "", "", " ", "\n\n", " Answer: ", "Story: "]),
        "prompt_end": chance.choice(PROMPT_ENDS),
        "completion_end": chance.choice(ENDS),
    }
    labels = chance.sample(["正面", "负面", " yes", " no", "Neutral", "yes", "中性。"], chance.choice([1, 2, 2, 3]))
    latin, shout, odd = chance.random() < 0.4, chance.random() < 0.15, chance.random() < 0.4
    rows = [_row(chance, task, labels, shared, latin, shout, odd) for _ in range(count)]
    if chance.random() < 0.3:
        rows += chance.choices(rows, k=chance.randint(1, 4))
    if chance.random() < 0.3:
        rows += [("empty", "")] * chance.randint(1, 3)
    # Behind everything else, and without rows dropped before it: elsewhere the tool drops the wrong row.
    if chance.random() < 0.1 and len(set(rows)) == len(rows) and all(c for _, c in rows):
        rows.append((_text(chance, latin, 5), _text(chance, latin, 30) * 500))
    return rows


def _row(
    chance: random.Random, task: str, labels: list[str], shared: dict[str, str], latin: bool, shout: bool, odd: bool
) -> tuple[str, str]:
    prompt = shared["prompt_prefix"] + _text(chance, latin, 6) + shared["prompt_end"]
    completion = shared["completion_prefix"] + _text(chance, latin, 30) + shared["completion_end"]
    if odd and chance.random() < 0.3:
        prompt = chance.choice(ODD) + prompt
    if odd and chance.random() < 0.3:
        middle = len(completion) // 2
        completion = completion[:middle] + chance.choice([*ODD, "\n"]) + completion[middle:]
    if task == "classify":
        completion = chance.choice(labels)
    if task == "open" or chance.random() < 0.01:
        prompt = ""
    if task == "same_prompt":
        prompt = "the same"
    if task == "same_completion":
        completion = "the same。"
    return (prompt.upper(), completion.upper()) if shout else (prompt, completion)


def _text(chance: random.Random, latin: bool, size: int) -> str:
    if latin:
        return " ".join(chance.choices(WORDS, k=max(size // 3, 1)))
    return "".join(chance.choices(HAN, k=size)) + chance.choice(
        ["", "，", "V1.0", "。\n"] if size > 10 else ["", ",", "的"]
    )


def _columns(chance: random.Random) -> list[str]:
    return chance.choice(
        [["prompt", "completion"]] * 8
        + [["Prompt", "COMPLETION"], ["completion", "prompt"], ["prompt", "completion", "note"], ["prompt", "text"],
           ["id", "prompt", "completion", "prompt_id"], ["question", "completion"]]
    )  # fmt: skip


def _cells(columns: list[str], row: tuple[str, str], number: int) -> list[str]:
    values = {"prompt": row[0], "completion": row[1], "text": row[1], "question": row[0]}
    return [values.get(column.lower(), f"{column}{number}") for column in columns]


def _write_table(path: Path, rows: list[tuple[str, str]], columns: list[str], chance: random.Random) -> None:
    out = io.StringIO()
    quoting: Literal[0, 1] = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    ends = chance.choice(["\n", "\n", "\r\n"])
    writer = csv.writer(out, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=quoting, lineterminator=ends)
    writer.writerow(columns)
    for number, row in enumerate(rows):
        writer.writerow(_cells(columns, row, number))
        if chance.random() < 0.01:
            out.write(chance.choice([ends, "NA,NA" + ends, "a,b,c,d,e" + ends, "only one" + ends, "x,null" + ends]))
    bom = b"\xef\xbb\xbf" if chance.random() < 0.05 else b""
    path.write_bytes(bom + out.getvalue().encode())


def _write_json(path: Path, rows: list[tuple[str, str]], columns: list[str], chance: random.Random) -> None:
    escaped = chance.random() < 0.3
    values = [dict(zip(columns, _cells(columns, row, n), strict=True)) for n, row in enumerate(rows)]
    for value in values:
        if chance.random() < 0.01:
            value[columns[-1]] = chance.choice([None, 3, 2.5, True])  # type: ignore[assignment]
    lines = [json.dumps(value, ensure_ascii=escaped) for value in values]
    as_array = chance.random() < (0.7 if path.suffix == ".json" else 0.15)
    text = "[" + ",".join(lines) + "]" if as_array else "\n".join(lines) + chance.choice(["", "\n", "\n\n"])
    if chance.random() < 0.03:
        text = text[:-5]
    path.write_text(text, encoding="utf-8", newline="")


def _write_text(path: Path, rows: list[tuple[str, str]], columns: list[str], chance: random.Random) -> None:
    path.write_text("\n".join(c.replace("\n", " ").replace("\r", " ") for _, c in rows), encoding="utf-8")
