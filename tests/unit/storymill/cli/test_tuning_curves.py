"""The curves of a job: which there are, how they are smoothed, and that both drawings are made of them."""

import struct
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from storymill.cli.tuning_curve import draw_curve
from storymill.cli.tuning_picture import draw_picture
from storymill.cli.tuning_series import average_ahead, collect_series
from storymill.client.errors import ClientError


def make_metrics(steps: int) -> list[dict[str, Any]]:
    """A loss that falls, an accuracy that rises, a validation every tenth step, and one step that went wrong."""
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        validated = {"valid_loss": 4 / step + 0.1} if step % 10 == 0 else {"valid_loss": None}
        rows.append({"step": step, "train_loss": 4 / step, "train_token_accuracy": step / steps, **validated})
    rows[4]["train_loss"] = float("nan")
    return rows


def test_a_curve_holds_the_finite_values_of_its_column_and_no_column_without_values_has_one() -> None:
    series = collect_series(make_metrics(30))
    assert [one.name for one in series] == ["training loss", "validation loss", "training token accuracy"]
    assert 5 not in series[0].steps
    assert series[1].steps == [10, 20, 30]


def test_the_average_begins_at_the_first_values_and_stays_within_the_last_ones() -> None:
    assert average_ahead([3.0]) == [3.0]
    assert average_ahead([4.0, 2.0])[1] == pytest.approx(3.0)
    assert average_ahead([9.0] + [1.0] * 100)[-1] == pytest.approx(1.0, abs=1e-6)


def test_the_terminal_shows_the_curve_with_its_newest_values() -> None:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as shown:
        console.print(draw_curve(collect_series(make_metrics(30)), 80, 14))
    lines = shown.get().rstrip().splitlines()
    plot, legend = lines[:13], " ".join(" ".join(lines[13:]).split())
    assert (plot[0][3], plot[-2][3]) == ("┌", "└")
    assert legend.startswith("━ training loss")
    assert "━ validation loss 0.233" in legend


def test_before_the_first_step_there_is_no_curve() -> None:
    console = Console(width=80)
    with console.capture() as shown:
        console.print(draw_curve([], 80, 14))
    assert "no step has been measured yet" in shown.get()


def test_the_picture_is_a_png_and_needs_steps_and_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "curve.png"
    draw_picture(collect_series(make_metrics(30)), "ft:text-davinci-003:storymill:ultraman:1", target)
    content = target.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    assert width > 2 * height > 600
    with pytest.raises(ClientError, match="nothing to draw"):
        draw_picture([], "x", target)
    with pytest.raises(ClientError, match="cannot be written"):
        draw_picture(collect_series(make_metrics(30)), "x", tmp_path / "none" / "curve.png")
