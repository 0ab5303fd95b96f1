"""What a base is, as hashes: of its weights, its tokenizer and its chat template. Names say nothing.

The weights' hash is of the tensors, whatever files they lie in; the tokenizer's of its vocabulary and of how it splits
some texts, so that another version of the libraries finds the same.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.engine.admission.folder import find_weight_files, read_header
from services.engine.model.chat import PLAIN_TEMPLATE
from services.engine.model.load import load_tokenizer

READ_BYTES = 8 * 1024**2
"""At a time, so that weights larger than the memory can be hashed."""
SHOWN_DIGITS = 16
"""Hexadecimal digits of a name: 64 bits."""
PARTS = ("weights", "tokenizer", "template")
PROBES = ("Hello, world 123", "  two  blanks\n\nand lines", "从前有一位英雄", "naïve café — 😀", "<think>x</think>", "")
"""Blanks, cases, digits, scripts, a line break and nothing: where tokenizers differ."""


@dataclass(frozen=True)
class Fingerprint:
    """The three hashes, in hexadecimal."""

    weights: str
    tokenizer: str
    template: str

    def __str__(self) -> str:
        """One short name for the three."""
        whole = hashlib.sha256("\n".join(asdict(self).values()).encode()).hexdigest()
        return whole[:SHOWN_DIGITS]

    def to_json(self) -> dict[str, str]:
        """Return a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: object) -> "Fingerprint | None":
        """Read what `to_json` returned; None for anything else."""
        if isinstance(found, dict) and all(isinstance(found.get(part), str) for part in PARTS):
            return cls(*(found[part] for part in PARTS))
        return None

    def name_differences(self, other: "Fingerprint") -> list[str]:
        """Return which of the three differ."""
        return [part for part in PARTS if getattr(self, part) != getattr(other, part)]


def read_fingerprint(folder: Path, cache_dir: Path) -> Fingerprint:
    """Return the folder's fingerprint: read in full once, afterwards as long as no file has changed.

    The first time takes a second a gigabyte. Raises: BaseRefusedError when the tokenizer cannot be loaded or a
    safetensors file is broken, OSError when a file cannot be read or the fingerprint cannot be kept, ValueError when
    the tokenizer fails on a probe text.
    """
    look = _describe_files(folder)
    cache = cache_dir / f"{hashlib.sha256(look.encode()).hexdigest()[:SHOWN_DIGITS]}.fingerprint.json"
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
        found = Fingerprint.from_json(known["fingerprint"]) if known["files"] == look else None
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found is None:
        found = take_fingerprint(folder, load_tokenizer(folder))
        _write_whole(cache, json.dumps({"files": look, "fingerprint": found.to_json()}))
    return found


def take_fingerprint(folder: Path, tokenizer: Any) -> Fingerprint:
    """Read everything and return the hashes."""
    template = tokenizer.chat_template or PLAIN_TEMPLATE
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return Fingerprint(_hash_weights(folder), _hash_tokenizer(tokenizer), hashlib.sha256(text.encode()).hexdigest())


def _hash_weights(folder: Path) -> str:
    whole = hashlib.sha256()
    files = find_weight_files(folder)
    if files and files[0].suffix == ".bin":
        for path in files:
            whole.update(_hash_range(path, 0, path.stat().st_size))
        return whole.hexdigest()
    places: dict[str, tuple[Path, int, Any]] = {}
    for path in files:
        header, start = read_header(path)
        places |= {name: (path, start, entry) for name, entry in header.items()}
    for name in sorted(places):
        path, start, entry = places[name]
        first, last = entry["data_offsets"]
        whole.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        whole.update(_hash_range(path, start + first, last - first))
    return whole.hexdigest()


def _hash_range(path: Path, start: int, size: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (block := file.read(min(READ_BYTES, size))):
            digest.update(block)
            size -= len(block)
    return digest.digest()


def _hash_tokenizer(tokenizer: Any) -> str:
    digest = hashlib.sha256()
    for piece, number in sorted(tokenizer.get_vocab().items()):
        digest.update(f"{number}\t{piece}\n".encode("utf-8", "surrogatepass"))
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id]
    digest.update(json.dumps([special, [list(tokenizer(probe).input_ids) for probe in PROBES]]).encode())
    return digest.hexdigest()


def _describe_files(folder: Path) -> str:
    return json.dumps([str(folder.resolve()), *_list_files(folder)])


def _list_files(folder: Path) -> Iterator[list[Any]]:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            found = path.stat()
            yield [path.name, found.st_size, found.st_mtime_ns, found.st_ino]


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(number, "w", encoding="utf-8") as out:
        out.write(text)
    Path(name).replace(path)
