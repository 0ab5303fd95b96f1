"""The loop on the tiny model: it learns, repeats itself for a seed, resumes exactly, and stops where it must."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from services.engine.model.load import load_base, load_tokenizer
from services.engine.training.encoding import ExampleEncoder, PreferencePair, TrainingSequence
from services.engine.training.examples import CompletionExample, PreferenceExample, Turn
from services.engine.training.loop import (
    StepMetrics,
    TrainingDivergedError,
    TrainingInterruptedError,
    TrainingLoop,
    TrainingPlan,
)
from services.engine.training.objective import (
    CompletionObjective,
    Item,
    PreferenceObjective,
    ReferencedPair,
    sequence_log_likelihoods,
)
from services.engine.training.resume_points import load_newest_resume_point, save_resume_point
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter
from tests.support.tiny_model import build_tiny_model

TEXTS = ["唐 ->", "宋 ->", "元 ->", "明明 ->", "清 ->"]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def make_model(tiny_model: Path) -> Callable[[], TunableModel]:
    def make() -> TunableModel:
        base = load_base(tiny_model, torch.float32, "cpu")
        return attach_new_adapter(base, LoraShape(8, 16), seed=3, padding_token=0)

    return make


@pytest.fixture
def items(tiny_model: Path) -> list[Item]:
    tokenizer = load_tokenizer(tiny_model)
    encoder = ExampleEncoder(tokenizer, 256)
    return [encoder.encode(CompletionExample(text, f" {text * number}。")) for number, text in enumerate(TEXTS, 1)]


def plan(**changes: int | float) -> TrainingPlan:
    return TrainingPlan(**{"epochs": 3, "batch_size": 2, "learning_rate": 1e-2, "seed": 7, **changes})  # type: ignore[arg-type]


def losses(steps: list[StepMetrics]) -> list[float]:
    return [metrics.loss for metrics in steps]


def test_the_loss_falls(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    loop = TrainingLoop(make_model(), CompletionObjective(), items, plan(epochs=15))
    before = loop.evaluate(items)
    steps = list(loop.steps())
    after = loop.evaluate(items)
    assert after.loss < before.loss / 2
    assert after.token_accuracy > before.token_accuracy
    assert steps[-1].step == loop.total_steps == 45
    assert [metrics.step for metrics in steps if metrics.ends_epoch][:2] == [3, 6]


def test_tokens_and_examples_are_counted(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    steps = list(TrainingLoop(make_model(), CompletionObjective(), items, plan(epochs=2)).steps())
    assert steps[-1].elapsed_examples == 10
    assert steps[-1].elapsed_tokens == 2 * sum(len(item) for item in items if isinstance(item, TrainingSequence))


def test_a_seed_repeats_the_run(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    first = losses(list(TrainingLoop(make_model(), CompletionObjective(), items, plan()).steps()))
    again = losses(list(TrainingLoop(make_model(), CompletionObjective(), items, plan()).steps()))
    other = losses(list(TrainingLoop(make_model(), CompletionObjective(), items, plan(seed=8)).steps()))
    assert first == again
    assert first != other


def test_a_resumed_run_repeats_the_unbroken_one(
    make_model: Callable[[], TunableModel], items: list[Item], tmp_path: Path
) -> None:
    unbroken = losses(list(TrainingLoop(make_model(), CompletionObjective(), items, plan()).steps()))
    broken = TrainingLoop(make_model(), CompletionObjective(), items, plan())
    steps = broken.steps()
    head = [next(steps).loss for _ in range(4)]
    save_resume_point(tmp_path, broken.state())
    resumed = TrainingLoop(make_model(), CompletionObjective(), items, plan())
    state = load_newest_resume_point(tmp_path)
    assert state is not None
    resumed.restore(state)
    assert head + losses(list(resumed.steps())) == unbroken


def test_padded_passes_give_the_same_steps_as_single_ones(
    make_model: Callable[[], TunableModel], items: list[Item]
) -> None:
    single = TrainingLoop(make_model(), CompletionObjective(0.1), items, plan(batch_size=5))
    padded = TrainingLoop(make_model(), CompletionObjective(0.1), items, plan(batch_size=5, tokens_per_pass=500))
    for one, other in zip(single.steps(), padded.steps(), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-3)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-2)


def test_prompt_tokens_carry_loss_only_with_a_weight(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    model, item = make_model(), items[0]
    assert isinstance(item, TrainingSequence)
    without = CompletionObjective().measure(model, [item]).sums
    with_weight = CompletionObjective(0.5).measure(model, [item]).sums
    assert without.weight == item.learned_count
    assert with_weight.weight == item.learned_count + 0.5 * (len(item) - 1 - item.learned_count)
    assert with_weight.judged == without.judged == item.learned_count


def test_an_exploding_run_is_stopped(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    loop = TrainingLoop(make_model(), CompletionObjective(), items, plan(learning_rate=1e30))
    with pytest.raises(TrainingDivergedError, match="at step"):
        list(loop.steps())


def test_a_stop_is_obeyed_between_two_passes(make_model: Callable[[], TunableModel], items: list[Item]) -> None:
    asked = 0

    def stop_at_the_fourth_pass() -> bool:
        nonlocal asked
        asked += 1
        return asked == 4

    loop = TrainingLoop(make_model(), CompletionObjective(), items, plan(), should_stop=stop_at_the_fourth_pass)
    with pytest.raises(TrainingInterruptedError):
        list(loop.steps())
    assert loop.progress.step == 1


def test_preference_tuning_widens_the_margin(make_model: Callable[[], TunableModel], tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    encoder = ExampleEncoder(tokenizer, 256)
    question = (Turn("user", "唐", learned=False),)
    example = PreferenceExample(question, Turn("assistant", "好故事", True), Turn("assistant", "bad", True))
    model = make_model()
    pair = encoder.encode(example)
    assert isinstance(pair, PreferencePair)
    with torch.no_grad():
        better, worse = sequence_log_likelihoods(model, [pair])[0].tolist()
    loop = TrainingLoop(model, PreferenceObjective(0.1), [ReferencedPair(pair, better, worse)], plan(epochs=10))
    steps = list(loop.steps())
    assert steps[0].loss == pytest.approx(0.6931, abs=1e-3)
    assert steps[-1].loss < 0.5
    assert steps[-1].token_accuracy == 1.0


def test_a_resumed_run_with_dropout_repeats_the_unbroken_one(
    tiny_model: Path, items: list[Item], tmp_path: Path
) -> None:
    def make_loop() -> TrainingLoop:
        base = load_base(tiny_model, torch.float32, "cpu")
        model = attach_new_adapter(base, LoraShape(8, 16, dropout=0.3), seed=3, padding_token=0)
        return TrainingLoop(model, CompletionObjective(), items, plan())

    unbroken = losses(list(make_loop().steps()))
    broken = make_loop()
    steps = broken.steps()
    head = [next(steps).loss for _ in range(4)]
    save_resume_point(tmp_path, broken.state())
    resumed = make_loop()
    state = load_newest_resume_point(tmp_path)
    assert state is not None
    resumed.restore(state)
    assert head + losses(list(resumed.steps())) == unbroken


def test_a_padding_token_that_is_the_end_of_text_hides_no_end(tiny_model: Path, items: list[Item]) -> None:
    sequences = [item for item in items if isinstance(item, TrainingSequence)]
    losses_by_padding = []
    for padding in (0, load_tokenizer(tiny_model).eos_token_id):
        base = load_base(tiny_model, torch.float32, "cpu")
        model = attach_new_adapter(base, LoraShape(8, 16), seed=3, padding_token=padding)
        measured = CompletionObjective().measure(model, sequences)
        assert measured.sums.judged == sum(sequence.learned_count for sequence in sequences)
        losses_by_padding.append(measured.sums.loss)
    assert losses_by_padding[0] == pytest.approx(losses_by_padding[1], rel=1e-6)
