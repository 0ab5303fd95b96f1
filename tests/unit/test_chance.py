"""Chance in tests can be repeated by what a failing test prints."""

import pytest

from tests.support.chance import SEED_VARIABLE, open_chance


def test_the_printed_seed_repeats_a_tests_chances(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SEED_VARIABLE, raising=False)
    first = open_chance("tests/a.py::test_one").random()
    name, _, seed = capsys.readouterr().out.split()[-1].partition("=")
    assert name == SEED_VARIABLE
    monkeypatch.setenv(SEED_VARIABLE, seed)
    assert open_chance("tests/a.py::test_one").random() == first
    assert open_chance("tests/a.py::test_two").random() != first


def test_without_the_variable_every_run_has_chances_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = set()
    for _ in range(3):
        monkeypatch.delenv(SEED_VARIABLE, raising=False)
        drawn.add(open_chance("tests/a.py::test_one").random())
    assert len(drawn) == 3
