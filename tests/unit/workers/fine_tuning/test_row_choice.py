"""Replayed rows: a share of each older file, no row twice, the same for the same seed."""

from pathlib import Path

from services.workers.fine_tuning.upload.row_choice import RowSource, mix_rows


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_all_new_rows_and_the_share_of_the_old_ones_are_mixed(tmp_path: Path) -> None:
    new = write(tmp_path / "new", *(f"new {n}" for n in range(10)))
    old = write(tmp_path / "old", *(f"old {n}" for n in range(40)))
    mixed = mix_rows([RowSource(new, 1.0), RowSource(old, 0.25)], 7, tmp_path / "mixed")
    lines = (tmp_path / "mixed").read_text().splitlines()
    assert [len(starts) for starts in mixed.starts] == [10, 10]
    assert sorted(line for line in lines if line.startswith("new")) == sorted(f"new {n}" for n in range(10))
    assert len(set(lines)) == 20
    assert lines[:10] != sorted(lines[:10])
    content = old.read_bytes()
    assert {content[start:].split(b"\n")[0].decode() for start in mixed.starts[1]} == {
        line for line in lines if line.startswith("old")
    }


def test_a_row_that_the_new_file_holds_is_not_replayed(tmp_path: Path) -> None:
    new = write(tmp_path / "new", "same", "new", "new")
    old = write(tmp_path / "old", "same", "", "other")
    mix_rows([RowSource(new, 1.0), RowSource(old, 1.0)], 0, tmp_path / "mixed")
    assert sorted((tmp_path / "mixed").read_text().splitlines()) == ["new", "new", "other", "same"]


def test_the_seed_decides_alone(tmp_path: Path) -> None:
    sources = [
        RowSource(write(tmp_path / "new", "a", "b"), 1.0),
        RowSource(write(tmp_path / "old", *(f"old {n}" for n in range(50))), 0.2),
    ]
    for seed, name in ((1, "first"), (1, "again"), (2, "other")):
        mix_rows(sources, seed, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()
