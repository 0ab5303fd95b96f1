"""Reads files that were damaged at random: `python -m tests.support.damaged_files --tries 20000 --seed 7`.

Bytes flipped, cut and inserted, formats spliced, wrong types, encodings crossed. A file gives rows, or a refusal with
line and reason; a row that could be read is never changed in silence; memory stays bounded. Each try has a seed of its
own: `--first N --tries 1` repeats one.
"""

import argparse
import csv
import gzip
import io
import json
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from services.preparation.errors import DatasetError
from services.preparation.reading.read_file import ReadFile, read_file
from tests.support.old_workbooks import write_xls, write_xlsb

Pair = tuple[str, str]
ROWS = [(f"Frage {n} ->", f'schön, "für" 故事\n{n}') for n in range(6)]
HEADER = ("prompt", "completion")
NAMES = ("a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a.xlsx", "a.parquet", "a.feather", "a.xls", "a")
WRONG: tuple[Any, ...] = (None, 3, 1.5, True, [], {}, "x", [None], [3], {"a": 1}, "")
PIECES = (b"null", b"3", b"[]", b"{}", b'"x"', b"\x00", b"\xff", b"1e999", b"NaN", b'"', b"\r", b"\xef\xbb\xbf")
SHAPES: tuple[Callable[[str, str], dict[str, Any]], ...] = (
    lambda p, c: {"prompt": p, "completion": c},
    lambda p, c: {"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": c}]},
    lambda p, c: {"conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": c}]},
    lambda p, c: {"instruction": p, "input": "x", "output": c, "history": [["a", "b"]]},
    lambda p, c: {"prompt": p, "chosen": c, "rejected": "n"},
    lambda p, c: {"contents": [{"role": "user", "parts": [{"text": p}]}, {"role": "model", "parts": [{"text": c}]}]},
    lambda p, c: {"data": {"text": p}, "annotations": [{"result": [{"value": {"text": [c]}}]}]},
    lambda p, c: {"custom_id": p, "response": {"body": {"choices": [{"message": {"content": c}}]}}},
    lambda p, c: {"attributes": {"a": p}, "story": c, "repeat": 0},
)
# Texts, and the encodings that people have them in.
CROSSED = (
    ("Où est l'élève ? Il a été à l'école où ça se passe très bien", ("cp1252", "iso8859_15", "mac_roman", "cp850")),
    ("Grüße aus Köln, schön für dich und möchte über", ("cp1252", "cp850", "cp1250", "iso8859_2")),
    ("Żółw pojechał do Łodzi i zjadł gęś na śniadanie", ("cp1250", "iso8859_2", "cp852", "mac_latin2")),
    (
        "Жил-был старик со своею старухой у самого синего моря",
        ("cp1251", "koi8_r", "cp866", "mac_cyrillic", "iso8859_5"),
    ),
    ("Μια φορά και έναν καιρό ήταν ένας βασιλιάς", ("cp1253", "iso8859_7")),
    ("Bir varmış bir yokmuş güneş doğmuş şehirde çocuk gülmüş", ("cp1254", "iso8859_9")),
    ("היה היה פעם מלך שגר בארמון גדול", ("cp1255",)),
    ("كان يا ما كان في قديم الزمان ملك عادل", ("cp1256",)),
    ("กาลครั้งหนึ่งนานมาแล้ว", ("cp874",)),
    ("第一个故事发生在长安城使用写代码", ("gb18030", "gbk")),
    ("從前有一個國王住在美麗的城堡裡", ("cp950", "gb18030")),
    ("むかしむかし東京都におじいさんがいました", ("cp932", "euc_jp", "iso2022_jp")),
    ("옛날 옛적에 호랑이가 담배 피우던 시절", ("cp949",)),
)
WIDE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
MOST_GROWTH_MB = 400
"""What reading may add to the process, however many files it reads."""


class ChangedInSilenceError(AssertionError):
    """A row came out otherwise than it stood in the file, and nothing said so."""


def write_lines(rows: list[Any]) -> bytes:
    """Return objects as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_table(rows: list[Pair], encoding: str, delimiter: str) -> bytes:
    """Return rows as a delimited table; what the encoding lacks becomes a question mark."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([HEADER, *rows])
    return out.getvalue().encode(encoding, "replace")


def write_book() -> bytes:
    """Return the rows as a workbook."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (HEADER, *ROWS):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@lru_cache(maxsize=1)
def make_sources() -> tuple[bytes, ...]:
    """Return sound files of every kind."""
    shaped = [[shape(*row) for row in ROWS] for shape in SHAPES]
    texts = [write_table(ROWS, *kind) for kind in (("utf-8", ","), ("cp1252", ";"), ("gb18030", ","), ("utf-16", "\t"))]
    documents = [json.dumps(rows, indent=1).encode() for rows in shaped] + [json.dumps({"data": shaped[0]}).encode()]
    columns = pa.table({name: [row[at] for row in ROWS] for at, name in enumerate(HEADER)})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(columns, parquet)
    feather.write_feather(columns, arrow)
    table = [HEADER, *ROWS]
    binary = [
        write_book(),
        write_xls(table),
        write_xlsb(table),
        gzip.compress(texts[0]),
        parquet.getvalue(),
        arrow.getvalue(),
    ]
    return (*texts, *documents, *map(write_lines, shaped), *binary)


def damage(whole: bytes, others: tuple[bytes, ...], chance: random.Random) -> bytes:
    """Flip, cut, splice and cross."""
    hurt = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at, kind = chance.randrange(len(hurt) + 1), chance.random()
        if kind < 0.4 and at < len(hurt):
            hurt[at] = chance.randrange(256)
        elif kind < 0.55:
            del hurt[at : at + chance.randint(1, 60)]
        elif kind < 0.7:
            other = chance.choice(others)
            start = chance.randrange(len(other))
            hurt[at:at] = other[start : start + chance.randint(1, 80)]
        elif kind < 0.75:
            del hurt[at:]
        else:
            hurt[at:at] = chance.choice(PIECES)
    return bytes(hurt)


def mistype(value: Any, chance: random.Random) -> Any:
    """Put a wrong type at some place of an object."""
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        chosen = chance.choice(keys)
        changed = {key: value[key] for key in keys}
        changed[chosen] = mistype(value[chosen], chance)
        return changed if isinstance(value, dict) else list(changed.values())
    return chance.choice(WRONG)


def read_or_refuse(path: Path, content: bytes) -> tuple[ReadFile, list[Pair]] | None:
    """Return what a file gives; None where it is refused with a reason. Other errors go on to the caller, and so does a
    problem without line or reason."""
    path.write_bytes(content)
    try:
        read = read_file(path)
    except DatasetError as error:
        if not error.message:
            raise AssertionError("a refusal without a reason") from error
        return None
    with read.store as store:
        pairs = [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in read.problems)
    return read, pairs


def try_any_file(folder: Path, chance: random.Random) -> None:
    """Any kind of file, damaged anywhere, under any name."""
    sources = make_sources()
    read_or_refuse(folder / chance.choice(NAMES), damage(chance.choice(sources), sources, chance))


def try_wrong_types(folder: Path, chance: random.Random) -> None:
    """Objects of one tool, some with a value of the wrong type."""
    shape = chance.choice(SHAPES)
    rows = [shape(*row) for row in ROWS]
    read_or_refuse(folder / "b.jsonl", write_lines([mistype(r, chance) if chance.random() < 0.5 else r for r in rows]))


def try_lines(folder: Path, chance: random.Random) -> None:
    """Lines that nothing happened to give their rows, in order, whatever happens to the others."""
    rows = [(f"{n} ->", f"täglich 故事 {n}") for n in range(30)]
    hurt = set(chance.sample(range(1, len(rows)), 5))
    is_table = chance.random() < 0.4
    lines = write_table(rows, "utf-8", ",").splitlines()[1:] if is_table else []
    lines = lines or [write_lines([dict(zip(HEADER, row, strict=True))]).rstrip() for row in rows]
    for number in hurt:
        lines[number] = damage(lines[number], (b"}{", b"x"), chance)
        if is_table:  # a quote may rightly hold the lines up to the next one
            lines[number] = lines[number].replace(b'"', b"")
    before = [",".join(HEADER).encode()] if is_table else []
    found = read_or_refuse(folder / ("lines.csv" if is_table else "lines.jsonl"), b"\n".join([*before, *lines]))
    if found is None or "encoding_guessed" in found[0].set_notes:
        return
    sound = [row for number, row in enumerate(rows) if number not in hurt]
    require_kept(sound, found[1], f"lines {sorted(hurt)} were damaged, and others changed")


def try_crossed_encodings(folder: Path, chance: random.Random) -> None:
    """A table in any encoding, or with a line in another: its rows, or it is said that they are a guess."""
    text, encodings = chance.choice(CROSSED)
    encoding = chance.choice((*encodings, *WIDE))
    rows = [(f"{n} ->", f"{text} {n}") for n in range(chance.randint(1, 12))]
    content = write_table(rows, encoding, ",")
    hurt = set[int]()
    if encoding == "utf-8" and chance.random() < 0.5:
        hurt = {chance.randrange(len(rows))}
        lines = content.split(b"\n")
        lines[1 + min(hurt)] = ",".join(rows[min(hurt)]).encode(chance.choice(encodings), "replace")
        content = b"\n".join(lines)
    found = read_or_refuse(folder / "c.csv", content)
    if found is None or found[0].problems or "encoding_guessed" in found[0].set_notes:
        return
    sound = [row for number, row in enumerate(rows) if number not in hurt]
    require_kept(sound, found[1], f"{encoding} was read as {found[0].source.encoding}, and nothing says so")


def require_kept(sound: list[Pair], found: list[Pair], reason: str) -> None:
    """Pass when every sound row was read, in order. Raises: ChangedInSilenceError for one missing or changed."""
    rest = iter(found)
    if not all(row in rest for row in sound):
        raise ChangedInSilenceError(reason)


TRIES: tuple[tuple[float, Callable[[Path, random.Random], None]], ...] = (
    (0.4, try_any_file),
    (0.2, try_wrong_types),
    (0.2, try_lines),
    (0.2, try_crossed_encodings),
)


def damage_files(folder: Path, seed: int, tries: int, first: int = 0) -> Iterator[int]:
    """Do so many tries and yield the number of each. Raises: ChangedInSilenceError when a row is another than it was,
    and what a reader raises though it should have refused; the note names the try."""
    shares, kinds = zip(*TRIES, strict=True)
    start_mb = peak_mb()
    for number in range(first, first + tries):
        chance = random.Random(f"{seed} {number}")
        try:
            chance.choices(kinds, shares)[0](folder, chance)
            assert peak_mb() - start_mb < MOST_GROWTH_MB, "memory grows"
        except Exception as error:
            again = f"python -m tests.support.damaged_files --seed {seed} --first {number} --tries 1"
            error.add_note(f"to repeat it: {again}")
            raise
        yield number


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Do the tries, and say how many went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = sum(1 for _ in damage_files(Path(folder), options.seed, options.tries, options.first))
    print(f"{done} damaged files, seed {options.seed}: rows or reasons, at most {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
