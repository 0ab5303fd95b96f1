"""What the fine-tuning worker reckons without a provider: names, tables, alarms, patience, rows."""

import base64
from datetime import UTC, datetime

import pytest

from services.workers.fine_tuning.failures import LONGEST_DELAY_SECONDS, NotYetError, decide_next_try
from services.workers.fine_tuning.follow.alarms import find_turn
from services.workers.fine_tuning.register.legacy_names import make_legacy_name
from services.workers.fine_tuning.upload.rows_report import check_rows, collect_keys
from services.workers.fine_tuning.upstream.metric_names import is_broken, read_metric, read_result_metrics
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.fine_tuning_capabilities import find_capabilities

TABLE = b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,0.5,0.9,,\n2,0.25,0.95,0.4,0.8\n"


@pytest.mark.parametrize(
    "content", [TABLE, base64.b64encode(TABLE), base64.encodebytes(TABLE), b"\xef\xbb\xbf" + TABLE]
)
def test_a_result_table_is_read_plain_and_in_base64(content: bytes) -> None:
    told = read_result_metrics(content)
    assert told is not None
    assert [(metric.step, metric.train_loss, metric.valid_loss) for metric in told] == [(1, 0.5, None), (2, 0.25, 0.4)]


def test_what_is_no_table_is_not_taken_for_one() -> None:
    assert read_result_metrics(b'{"error": "late"}') is None


def test_the_loss_on_the_whole_validation_file_goes_before_that_of_a_sample() -> None:
    metric = read_metric({"step": 3, "valid_loss": 2.0, "full_valid_loss": 1.5, "train_mean_token_accuracy": 0.5})
    assert metric is not None
    assert (metric.valid_loss, metric.train_token_accuracy) == (1.5, 0.5)


def test_a_loss_that_is_no_number_is_left_out_and_seen() -> None:
    metric = read_metric({"step": 3, "train_loss": "nan"})
    assert metric is not None
    assert metric.train_loss is None
    assert is_broken({"train_loss": "-inf"})
    assert not is_broken({"train_loss": 1.0})


@pytest.mark.parametrize(
    ("losses", "turn"), [([1, 2, 3, 4], 0), ([3, 1, 2, 3, 2, 3], None), ([3, 1, 2, 3, 4, 5], 1), ([1, 2, 3], None)]
)
def test_overfitting_is_three_rises_in_a_row(losses: list[float], turn: int | None) -> None:
    assert find_turn(losses) == turn


def test_a_legacy_name_has_base_owner_suffix_and_time() -> None:
    moment = datetime(2023, 4, 4, 3, 3, 26, tzinfo=UTC)
    assert (
        make_legacy_name("curie", "BotHub AI", "ultraman", moment) == "curie:ft-bothub-ai:ultraman-2023-04-04-03-03-26"
    )
    assert make_legacy_name("curie", "", None, moment) == "curie:ft-personal-2023-04-04-03-03-26"


def test_a_storm_of_429_is_waited_out_and_a_bad_request_is_not() -> None:
    storm = LlmError(FailureClass.RATE_LIMITED, "slow down", retry_after_seconds=90)
    assert decide_next_try(storm, 50).delay_seconds == 90
    assert decide_next_try(LlmError(FailureClass.INVALID_REQUEST, "no", code="bad_model"), 1).delay_seconds is None
    assert decide_next_try(LlmError(FailureClass.UNREACHABLE, "away"), 100).delay_seconds == LONGEST_DELAY_SECONDS
    assert decide_next_try(NotYetError("no_model", "none"), 4).delay_seconds is None


def test_rows_of_two_formats_are_a_problem_with_a_number() -> None:
    lines = [b'{"prompt":"a","completion":"b"}\n', b"\n", b'{"messages":[{"role":"assistant","content":"x"}]}\n']
    report = check_rows(lines)
    assert report.problems == ["line 3: this is a chat example, but the file began with completion examples"]


def test_overlap_is_counted_by_prompt() -> None:
    keys = collect_keys([b'{"prompt":"a ->","completion":" other"}\n'])
    report = check_rows([b'{"prompt":"a ->","completion":" one"}\n', b'{"prompt":"b ->","completion":" two"}\n'], keys)
    assert report.overlapping == [1]


def test_the_operator_knows_a_provider_better_than_the_table() -> None:
    provider = Provider("mine", "https://api.studio.nebius.com/v1", fine_tuning=(("pause", True),))
    can = find_capabilities(provider)
    assert (can.adoption, can.pause) == ("training_file", True)
