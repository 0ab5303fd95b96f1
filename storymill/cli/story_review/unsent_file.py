"""Decisions that were not sent yet, in a file of the reviewer's own: a closed terminal or a killed process loses none.

A sitting's file is locked while the sitting lasts; the next one to the same mill takes over what others left."""

import fcntl
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from storymill.cli.story_review.decisions import Decision

FOLDER_MODE: Final = 0o700


def find_folder() -> Path:
    """Return where a user's programs keep what they must not lose."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "storymill"


def name_of(base_url: str, api_key: str) -> str:
    """Return what the files for one mill and key are called by; the key cannot be read from it."""
    return hashlib.sha256(f"{base_url}\n{api_key}".encode()).hexdigest()[:16]


class UnsentFile:
    """One sitting's decisions: a line when one is made, a line when it is settled."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        self.path = folder / f"review-{name}-{os.getpid()}.jsonl"
        self._open_numbers: set[int] = set()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file: IO[str] = os.fdopen(descriptor, "a+", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.left_behind = read_open(self.path)
        """What ended sittings left open, in this file now, each under a number of its own."""
        self._open_numbers.update(decision.number for decision in self.left_behind)
        for path in sorted(folder.glob(f"review-{name}-*.jsonl")):
            if path != self.path:
                self._take_over(path)

    def note(self, decision: Decision) -> None:
        """Keep a decision."""
        self._open_numbers.add(decision.number)
        self._write(decision.as_json())

    def settle(self, decision: Decision) -> None:
        """Forget a decision that the gateway has, or that a later one replaces."""
        self._open_numbers.discard(decision.number)
        if self._open_numbers:
            self._write({"settled": decision.number})
        else:
            self._file.truncate(0)

    def close(self) -> None:
        """End the sitting: what is open stays, for the next one."""
        if not self._open_numbers:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _take_over(self, path: Path) -> None:
        """Take what an ended sitting left open; its file goes when this one has it."""
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its sitting lasts
                return
            behind = max(self._open_numbers, default=0)
            for decision in read_open(path):
                own = replace(decision, number=behind + decision.number)
                self.note(own)
                self.left_behind.append(own)
            path.unlink(missing_ok=True)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def read_open(path: Path) -> list[Decision]:
    """Return a file's decisions that are not settled; a line that a crash cut is none."""
    found: dict[int, Decision] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if "settled" in value:
            found.pop(value["settled"], None)
        else:
            found[value["number"]] = Decision(**value)
    return list(found.values())
