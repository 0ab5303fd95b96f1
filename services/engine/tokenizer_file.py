"""The tokenizer as a file that others can count with: written once into the state directory, named by its hash."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TokenizerFile:
    """A `tokenizer.json`."""

    path: Path
    sha256: str
    size_bytes: int


def write_tokenizer_file(tokenizer: Any, folder: Path) -> TokenizerFile:
    """Write the tokenizer, unless it is there whole: a power cut may leave a file without its bytes. Takes a second for
    a vocabulary of 262,144 tokens."""
    raw = tokenizer.backend_tokenizer.to_str().encode()
    sha256 = hashlib.sha256(raw).hexdigest()
    path = folder / f"{sha256}.json"
    if not (path.is_file() and path.read_bytes() == raw):
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(number, "wb") as out:
            out.write(raw)
        Path(name).replace(path)
    return TokenizerFile(path, sha256, len(raw))
