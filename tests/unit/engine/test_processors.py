"""Processors of a container, from the files of its control group."""

import os
from pathlib import Path

import pytest

from services.engine.processors import count_processors, read_quota

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("said", "quota"),
    [("200000 100000\n", 2.0), ("50000 100000\n", 0.5), ("max 100000\n", None), ("", None), ("rubbish\n", None)],
)
def test_the_quota_of_cgroup_v2(tmp_path: Path, said: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(said)
    assert read_quota(tmp_path) == quota


@pytest.mark.parametrize(("said", "quota"), [("150000", 1.5), ("-1", None)])
def test_the_quota_of_cgroup_v1(tmp_path: Path, said: str, quota: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(said)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert read_quota(tmp_path) == quota


def test_a_container_of_half_a_processor_has_one_and_one_without_a_limit_has_the_machines(tmp_path: Path) -> None:
    assert count_processors(tmp_path) == ALL
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert count_processors(tmp_path) == 1
    (tmp_path / "cpu.max").write_text(f"{1000 * ALL * 100000} 100000")
    assert count_processors(tmp_path) == ALL
