"""Makes the storyteller adapter from the sample stories: `python -m services.engine.training.storyteller`.

Its last stage learns plain stories of the grammar (`training/tales`), mixed with the written ones.
With --hold-out it trains on 80 % of the cells and measures the others, for the quality report. A run that was
interrupted goes on at its last resume point when started again with the same arguments.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from services.engine.admission.fingerprint import take_fingerprint
from services.engine.model.load import choose_device, load_base, load_tokenizer
from services.engine.serving import choose_dtype
from services.engine.settings import BUILT_IN_MODEL, STORYTELLER, EngineSettings
from services.engine.training.effect import encode_probe, measure_effect
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
from services.engine.training.sample_stories import (
    FIRST_FILES,
    PLAIN_FILES,
    TALE_PROMPTS,
    WRITTEN_PROMPTS,
    SampleStory,
    hold_out,
    read_sample_stories,
    read_story_file,
    to_examples,
)
from services.engine.training.tales.collection import tell_tales, write_tales
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter, attach_parent_adapter
from services.engine.weights.prepare import prepare_model

HELD_OUT_SHARE = 0.2
GEMMA_NOTICE = Path(__file__).parents[1] / "weights" / "NOTICE"
LORA_SHAPE = LoraShape(rank=16, alpha=32)
RESUME_POINT_SECONDS = 120.0
RAW_PROMPTS = {"separator": "", "stop": ""}
"""It was tuned on bare prompts, so a chat message is passed on as it is, without role labels."""


@dataclass(frozen=True)
class Stage:
    """A run over the stories with an optimizer and schedule of its own, on the weights that the last one left."""

    epochs: int
    learning_rate: float
    word_emphasis: float
    power_emphasis: float
    files: tuple[str, ...]
    tales: int = 0
    """Plain stories by the grammar among them."""
    batch_size: int = 2
    tokens_per_pass: int = 0


STAGES = (
    Stage(epochs=4, learning_rate=4e-4, word_emphasis=4.0, power_emphasis=4.0, files=FIRST_FILES),
    Stage(epochs=2, learning_rate=4e-4, word_emphasis=4.0, power_emphasis=6.0, files=PLAIN_FILES),
    Stage(epochs=2, learning_rate=4e-4, word_emphasis=4.0, power_emphasis=6.0, files=FIRST_FILES + PLAIN_FILES),
    Stage(0, 4e-4, 1.0, 2.0, FIRST_FILES + PLAIN_FILES, tales=5000, batch_size=4, tokens_per_pass=1024),
)
"""The words that a cell asks for count more than the rest: without emphasis half of the stories left the power unnamed.
What each stage is for and what else was tried: docs/adr/0022-the-storyteller-learns-in-three-stages.md. The fourth is
asked for by its epochs, as the shipped adapter has not been through it: docs/adr/0147-tales-are-the-last-stage.md."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, report each step on stderr and each epoch's evaluation, write the adapter."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    _, never_learned = hold_out(read_sample_stories(), HELD_OUT_SHARE if options.hold_out else 0.0)
    held_out_cells = {story.cell for story in never_learned}
    tokenizer = load_tokenizer(options.base)
    encoder = ExampleEncoder(tokenizer, maximum_tokens=1024)
    device = choose_device("auto")
    base = load_base(options.base, choose_dtype("auto", device), device)
    model = _attach_adapter(base, options, tokenizer.pad_token_id)
    resume_folder = options.output.with_name(f".{options.output.name}.resume")
    stages = [
        replace(stage, epochs=epochs, tales=options.tales if stage.tales else 0)
        for stage, epochs in zip(STAGES, options.epochs, strict=True)
    ]
    for number, stage in enumerate(stages, start=1):
        if stage.epochs == 0:
            continue
        _say(f"stage {number}/{len(stages)}: {stage}")
        stories = read_sample_stories(stage.files)
        told = _keep_tales(resume_folder / f"tales-{number}.csv", stage.tales, options.seed)
        tales = [tale for tale in told if tale.cell not in held_out_cells]
        train = [story for story in stories if story.cell not in held_out_cells]
        held_out = [story for story in stories if story.cell in held_out_cells]
        pairs = (*_pair(encoder, train, WRITTEN_PROMPTS), *_pair(encoder, tales, TALE_PROMPTS))
        items = [_emphasise(item, story, tokenizer, stage) for item, story in pairs]
        validation = [item for item, _ in _pair(encoder, held_out, WRITTEN_PROMPTS)]
        plan = TrainingPlan(
            stage.epochs, stage.batch_size, stage.learning_rate, options.seed + number - 1, stage.tokens_per_pass
        )
        loop = TrainingLoop(model, CompletionObjective(), items, plan)
        _train(loop, validation, resume_folder / f"stage-{number}", options.resume_seconds)
    fingerprint = take_fingerprint(Path(options.base), tokenizer)
    effect = measure_effect(model.peft_model, encode_probe(tokenizer, base.get_input_embeddings().weight.shape[0]))
    card = ModelCard(
        STORYTELLER,
        BUILT_IN_MODEL,
        None,
        int(time.time()),
        None,
        "model",
        RAW_PROMPTS,
        fingerprint,
        effect.to_json(),
    )
    publish_adapter(model, options.output, card, dtype=torch.bfloat16)
    write_whole(options.output / "NOTICE", GEMMA_NOTICE.read_bytes())
    drop_resume_points(resume_folder)
    _say(f"The storyteller is made: {options.output}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    settings = EngineSettings()
    parser = argparse.ArgumentParser(prog="storyteller", description=__doc__)
    parser.add_argument("--output", type=Path, default=settings.shipped_adapters_dir / STORYTELLER)
    parser.add_argument("--base", default="", help="base model folder (default: the built-in weights)")
    parser.add_argument("--hold-out", action="store_true", help="keep 20 %% of the cells for measuring")
    epochs = [stage.epochs for stage in STAGES]
    parser.add_argument("--epochs", type=int, nargs=len(STAGES), default=epochs, help="of each stage; 0 leaves it out")
    parser.add_argument("--tales", type=int, default=STAGES[-1].tales, help="plain stories of the last stage")
    parser.add_argument("--go-on-from", type=Path, help="adapter folder to go on from (default: a fresh adapter)")
    parser.add_argument("--resume-seconds", type=float, default=RESUME_POINT_SECONDS, help="between resume points")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    options.base = options.base or prepare_model(settings, _say)
    return options


def _attach_adapter(base: Any, options: argparse.Namespace, padding_token: int) -> TunableModel:
    if options.go_on_from is not None:
        return attach_parent_adapter(base, options.go_on_from, padding_token)
    return attach_new_adapter(base, LORA_SHAPE, options.seed, padding_token)


def _keep_tales(path: Path, count: int, seed: int) -> list[SampleStory]:
    """The tales of a stage: a run that goes on, perhaps days later, learns those that it began with."""
    if count == 0:
        return []
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tales(path, tell_tales(count, seed))
    return list(read_story_file(path))


def _pair(
    encoder: ExampleEncoder, stories: list[SampleStory], prompts: Sequence[str]
) -> Iterator[tuple[TrainingSequence, SampleStory]]:
    for example, story in zip(to_examples(stories, prompts), stories, strict=True):
        sequence = encoder.encode(example)
        assert isinstance(sequence, TrainingSequence)
        yield sequence, story


def _emphasise(sequence: TrainingSequence, story: SampleStory, tokenizer: Any, stage: Stage) -> TrainingSequence:
    """Weigh the tokens of the words that the cell asks for."""
    emphasis = [1.0] * len(sequence)
    start = sequence.learned.index(True)
    offsets = tokenizer(story.text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    for word in story.cell.required_words:
        weight = stage.power_emphasis if word == story.cell.super_power else stage.word_emphasis
        spans = [match.span() for match in re.finditer(re.escape(word), story.text)]
        for place, (first, last) in zip(range(start, len(sequence)), offsets, strict=False):
            if any(first < end and begin < last for begin, end in spans):
                emphasis[place] = max(emphasis[place], weight)
    return replace(sequence, emphasis=emphasis)


def _train(loop: TrainingLoop, validation: list[TrainingSequence], resume_folder: Path, resume_seconds: float) -> None:
    if state := load_newest_resume_point(resume_folder):
        loop.restore(state)
    else:
        _evaluate(loop, validation)
    saved = time.monotonic()
    for metrics in loop.steps():
        _say(_describe(metrics, loop.total_steps))
        if metrics.ends_epoch:
            _evaluate(loop, validation)
        if metrics.ends_epoch or time.monotonic() - saved > resume_seconds:
            save_resume_point(resume_folder, loop.state())
            saved = time.monotonic()


def _evaluate(loop: TrainingLoop, validation: list[TrainingSequence]) -> None:
    if validation:
        found = loop.evaluate(validation)
        _say(f"step {loop.progress.step}: validation loss {found.loss:.4f}, accuracy {found.token_accuracy:.4f}")


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
