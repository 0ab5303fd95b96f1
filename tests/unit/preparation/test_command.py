"""The command without a server, from a file to files and reports."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.preparation.local.command import prepare
from tests.unit.preparation.clean_sets import clean_sets

app = typer.Typer()
app.command()(prepare)


def _source(folder: Path, rows: list[tuple[str, str]]) -> Path:
    path = folder / "stories.jsonl"
    lines = [json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) for p, c in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output


ROWS = [*clean_sets()["chinese_three_repeats"], ("坏", "很抱歉，我无法完成这个请求，因为它涉及不当内容。")]


def test_a_quiet_run_writes_the_public_tools_rows_and_reports_findings(tmp_path: Path) -> None:
    source = _source(tmp_path, ROWS)
    status, output = _run(source, "--quiet", "--report", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert status == 0, output
    assert 'storymill fine-tune "' in output
    assert not {"openai", "curie", "queue"} & set(output.split())
    default_rows = (tmp_path / "stories_prepared.jsonl").read_bytes()
    status, parity = _run(source, "--quiet", "--parity")
    assert (status, "openai api fine_tunes.create" in parity) == (0, True)
    assert (tmp_path / "stories_prepared (1).jsonl").read_bytes() == default_rows
    summary = json.loads((tmp_path / "r.json").read_text())
    assert [f["code"] for f in summary["findings"]] == ["refusal", "unusually_short"]
    assert summary["findings"][0]["row_ids"] == [len(ROWS) - 1]
    assert summary["template"]["separator"] == " ->"
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 4
    assert "separator <code>&#34; -&gt;&#34;</code>" in page
    assert "http" not in page.replace("http-equiv", "")


def test_chosen_fixes_and_a_grouped_split(tmp_path: Path) -> None:
    source = _source(tmp_path, ROWS)
    status, output = _run(source, "-q", "--apply", "refusal", "--validation-share", "0.2", "--format", "chat")
    assert status == 0, output
    sides = [
        [
            json.loads(line)["messages"]
            for line in (tmp_path / f"stories_prepared_{name}.jsonl").read_text().splitlines()
        ]
        for name in ("train", "valid")
    ]
    train, valid = ({messages[0]["content"] for messages in side} for side in sides)
    assert not train & valid
    assert len(sides[0]) + len(sides[1]) == len(ROWS) - 1
    assert "坏" not in train | valid


def test_a_column_that_says_length_marks_a_row_as_truncated_whatever_it_ends_in(tmp_path: Path) -> None:
    source = tmp_path / "export.jsonl"
    reasons = {3: "length", 5: None}
    lines = [
        {"prompt": p, "completion": c, "finish_reason": reasons.get(n, "stop")} for n, (p, c) in enumerate(ROWS[:-1])
    ]
    source.write_text("\n".join(json.dumps(line) for line in lines))
    assert lines[3]["completion"][-1] in "。！？"
    status, output = _run(source, "-q", "--apply", "truncated", "--json", tmp_path / "r.json")
    assert status == 0, output
    findings = {f["code"]: f["row_ids"] for f in json.loads((tmp_path / "r.json").read_text())["findings"]}
    assert findings == {"truncated": [3]}
    assert len((tmp_path / "export_prepared.jsonl").read_text().splitlines()) == len(lines) - 1


def test_broken_lines_stop_the_run_and_leave_a_corrected_copy(tmp_path: Path) -> None:
    source = _source(tmp_path, ROWS)
    source.write_text(source.read_text() + '\n{"prompt": oops}\n')
    status, output = _run(source, "--quiet")
    assert status == 1
    assert f"stories.jsonl:{len(ROWS) + 1}:12: invalid_json" in output
    status, output = _run(tmp_path / "stories_corrected.jsonl", "--quiet")
    assert status == 0, output


def test_a_missing_file_and_a_missing_column_are_told(tmp_path: Path) -> None:
    status, output = _run(tmp_path / "none.csv", "--quiet")
    assert status == 1
    assert "does not exist" in output
    (tmp_path / "a.csv").write_text("prompt,text\na,b\n")
    status, output = _run(tmp_path / "a.csv", "--quiet")
    assert status == 1
    assert "`completion` column/key is missing" in output


def test_chat_lines_stay_chat_or_become_pairs(tmp_path: Path) -> None:
    chat = tmp_path / "talk.jsonl"
    lines = [{"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": c}]} for p, c in ROWS]
    chat.write_text("\n".join(json.dumps(value) for value in lines))
    assert _run(chat, "--quiet")[0] == 0
    kept = [json.loads(line) for line in (tmp_path / "talk_prepared.jsonl").read_text().splitlines()]
    assert kept == lines
    assert _run(chat, "--quiet", "--format", "completion")[0] == 0
    first = json.loads((tmp_path / "talk_prepared (1).jsonl").read_text().splitlines()[0])
    assert first["prompt"] == f"{ROWS[0][0]} ->"


ODD_TALKS: list[list[object]] = [
    [{"messages": [3]}, {"messages": {"a": 1}}, {"messages": [{"role": {}, "content": []}]}],
    [{"messages": [{"role": "assistant", "content": [{"text": {}}]}]}],
    [{"messages": [{"role": "user", "content": "q"}, {"role": "tool", "tool_call_id": {}}]}],
    [{"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": {}}}]}], "tools": []}],
    [{"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "b", "\udfff": 1}]}],
    [{"input": {"messages": [{"role": ["x"], "content": "q"}]}, "preferred_output": [], "non_preferred_output": []}],
]


@pytest.mark.parametrize("odd", ODD_TALKS)
@pytest.mark.parametrize("options", [[], ["--preview", "2"], ["--format", "completion", "--apply", "all"]])
def test_wrong_types_in_talks_are_findings_or_lines_and_no_traceback(
    odd: list[object], options: list[str], tmp_path: Path
) -> None:
    talk = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in [talk, *odd]))
    result = CliRunner().invoke(app, [str(source), "--quiet", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)


def test_half_a_character_in_a_talk_leaves_json_behind(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(talk) + "\n")
    assert _run(tmp_path / "a.jsonl", "--quiet", "--format", "chat")[0] == 0
    (line,) = (tmp_path / "a_prepared.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"][0]["content"] == "\ufffd"


@pytest.mark.parametrize("content", ["prompt,completion\n", "prompt,completion"])
def test_a_file_without_rows_is_refused_and_nothing_is_written(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    status, output = _run(tmp_path / "a.csv", "--quiet")
    assert (status, "holds no rows" in output) == (1, True)
    assert len(list(tmp_path.iterdir())) == 1
