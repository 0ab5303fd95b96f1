"""Makes the storyteller adapter from the sample stories: `python -m services.engine.training.storyteller`.

With --hold-out it trains on 80 % of the cells and measures the others, for the quality report. A run that was
interrupted goes on at its last resume point when started again with the same arguments.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from services.engine.model.load import choose_device, load_base, load_tokenizer
from services.engine.settings import BUILT_IN_MODEL, STORYTELLER, EngineSettings
from services.engine.training.encoding import ExampleEncoder, TrainingSequence
from services.engine.training.loop import StepMetrics, TrainingLoop, TrainingPlan
from services.engine.training.objective import CompletionObjective
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.resume_points import (
    drop_resume_points,
    load_newest_resume_point,
    save_resume_point,
    write_whole,
)
from services.engine.training.sample_stories import SampleStory, hold_out, read_sample_stories, to_examples
from services.engine.training.settings import BASE_LEARNING_RATE
from services.engine.training.tunable_model import LoraShape, attach_new_adapter
from services.engine.weights.prepare import prepare_model

HELD_OUT_SHARE = 0.2
GEMMA_NOTICE = Path(__file__).parents[1] / "weights" / "NOTICE"
# A loss weight for the words of the cell: without it half of the stories leave the power unnamed.
EMPHASIS = 4.0
RESUME_POINT_SECONDS = 120.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, report each step on stderr and each epoch's evaluation, write the adapter."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    train, held_out = _choose_stories(options.hold_out)
    loop, validation = _build_loop(options, train, held_out)
    resume_folder = options.output.with_name(f".{options.output.name}.resume")
    report = _train(loop, validation, resume_folder)
    card = ModelCard(STORYTELLER, BUILT_IN_MODEL, None, int(time.time()), None, "model")
    publish_adapter(loop.model, options.output, card, dtype=torch.bfloat16)
    write_whole(options.output / "NOTICE", GEMMA_NOTICE.read_bytes())
    drop_resume_points(resume_folder)
    _say(json.dumps({"adapter": str(options.output), "stories": len(train), "evaluations": report}))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    settings = EngineSettings()
    parser = argparse.ArgumentParser(prog="storyteller", description=__doc__)
    parser.add_argument("--output", type=Path, default=settings.shipped_adapters_dir / STORYTELLER)
    parser.add_argument("--base", default="", help="base model folder (default: the built-in weights)")
    parser.add_argument("--hold-out", action="store_true", help="keep 20 %% of the cells for measuring")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=BASE_LEARNING_RATE)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    options.base = options.base or prepare_model(settings, _say)
    return options


def _choose_stories(keep_some_out: bool) -> tuple[list[SampleStory], list[SampleStory]]:
    return hold_out(read_sample_stories(), HELD_OUT_SHARE if keep_some_out else 0.0)


def _build_loop(
    options: argparse.Namespace, train: list[SampleStory], held_out: list[SampleStory]
) -> tuple[TrainingLoop, list[TrainingSequence]]:
    tokenizer = load_tokenizer(options.base)
    encoder = ExampleEncoder(tokenizer, _refuse_chat, maximum_tokens=1024)
    items = [
        _emphasise(sequence, story, tokenizer) for sequence, story in zip(_encode(encoder, train), train, strict=True)
    ]
    validation = _encode(encoder, held_out)
    base = load_base(options.base, torch.bfloat16, choose_device("auto"))
    shape = LoraShape(options.rank, 2 * options.rank)
    model = attach_new_adapter(base, shape, options.seed, tokenizer.pad_token_id)
    plan = TrainingPlan(options.epochs, options.batch_size, options.learning_rate, options.seed)
    return TrainingLoop(model, CompletionObjective(), items, plan), validation


def _encode(encoder: ExampleEncoder, stories: list[SampleStory]) -> list[TrainingSequence]:
    encoded = map(encoder.encode, to_examples(stories))
    return [sequence for sequence in encoded if isinstance(sequence, TrainingSequence)]


def _emphasise(sequence: TrainingSequence, story: SampleStory, tokenizer: Any) -> TrainingSequence:
    """Let the tokens of the words that the cell asks for count more than the rest."""
    start = sequence.learned.index(True)
    offsets = tokenizer(story.text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    spans = [match.span() for word in story.cell.required_words for match in re.finditer(word, story.text)]
    emphasis = [1.0] * len(sequence)
    for place, (first, last) in enumerate(offsets, start=start):
        if any(first < end and begin < last for begin, end in spans):
            emphasis[place] = EMPHASIS
    return replace(sequence, emphasis=emphasis)


def _refuse_chat(messages: list[dict[str, str]], answer_follows: bool) -> str:
    raise AssertionError("sample stories are completions")


def _train(loop: TrainingLoop, validation: list[TrainingSequence], resume_folder: Path) -> list[dict[str, float]]:
    state = load_newest_resume_point(resume_folder)
    evaluations = [] if state else [_evaluate(loop, validation)]
    if state:
        loop.restore(state)
    saved = time.monotonic()
    for metrics in loop.steps():
        _say(_describe(metrics, loop.total_steps))
        if metrics.ends_epoch:
            evaluations.append(_evaluate(loop, validation))
        if metrics.ends_epoch or time.monotonic() - saved > RESUME_POINT_SECONDS:
            save_resume_point(resume_folder, loop.state())
            saved = time.monotonic()
    return evaluations


def _evaluate(loop: TrainingLoop, validation: list[TrainingSequence]) -> dict[str, float]:
    if not validation:
        return {}
    found = loop.evaluate(validation)
    _say(f"step {loop.progress.step}: validation loss {found.loss:.4f}, accuracy {found.token_accuracy:.4f}")
    return {"step": loop.progress.step, "loss": found.loss, "token_accuracy": found.token_accuracy}


def _describe(metrics: StepMetrics, total_steps: int) -> str:
    return (
        f"step {metrics.step}/{total_steps} epoch {metrics.epoch}: loss {metrics.loss:.4f}, "
        f"accuracy {metrics.token_accuracy:.4f}, {metrics.seconds:.2f} s"
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
