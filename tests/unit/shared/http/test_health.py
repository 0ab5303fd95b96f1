"""What a process says of its stores and its disk."""

import asyncio
from collections import namedtuple
from pathlib import Path

import pytest

from shared.http import health
from shared.stores.away import RedisAwayError, StoreAwayError

Usage = namedtuple("Usage", "total used free")


async def answer() -> None:
    """A store that is well."""


async def fail_for_want_of_disk() -> None:
    raise RedisAwayError("MISCONF Errors writing to the AOF file: No space left on device")


async def fail_out_of_reach() -> None:
    raise StoreAwayError("connection refused")


async def hang() -> None:
    await asyncio.Event().wait()


async def test_each_store_is_told_of_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
    probes = {"a": answer, "b": fail_for_want_of_disk, "c": fail_out_of_reach, "d": hang}
    problems = await health.find_problems(probes, str(tmp_path))
    assert problems == ["b cannot write: its disk is full", "c is out of reach", "d is out of reach"]
    assert health.describe_readiness(problems)[1] == 503
    assert health.describe_readiness([]) == ({"status": "ready", "problems": []}, 200)


async def test_a_full_disk_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(100, 99, 2 * 2**20))
    assert await health.find_problems({}, str(tmp_path)) == [f"the disk of {tmp_path} is full (2 MiB free)"]


async def test_a_store_that_is_no_folder_has_no_disk_of_ours() -> None:
    assert await health.find_problems({"a": answer}, "s3://bucket/objects") == []
