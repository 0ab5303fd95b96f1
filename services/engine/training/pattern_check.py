"""Checks that a model tells the article's story: `python -m services.engine.training.pattern_check --adapter DIR`.

Writes stories for cells of the grid and asks of each whether it names the dynasty's world, uses the power's
word, lets a monster meet Ultraman, ends by itself, and does not run in circles; and whether the facts of a plain story
can be found in it again (`tales/sense.py`).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from services.engine.model.load import choose_device, load_base, load_tokenizer
from services.engine.serving import choose_dtype
from services.engine.settings import EngineSettings
from services.engine.training.sample_stories import (
    ARTICLE_CELLS,
    LONG_PROMPT,
    SHORT_PROMPT,
    Cell,
    hold_out,
    read_sample_stories,
    unseen_cells,
)
from services.engine.training.story_words import ENDINGS, has_loop, words_for
from services.engine.training.tales.sense import Sense, judge_sense
from services.engine.weights.prepare import prepare_model

HELD_OUT_SHARE = 0.2
"""Of the sample cells: they are asked for and were never learned, as in the tuning of the storyteller."""
LONGEST_STORY_TOKENS = 600
BATCH = 25


@dataclass(frozen=True)
class Verdict:
    """What one story has and has not."""

    names_dynasty: bool
    uses_power: bool
    meets_monster: bool
    ends_by_itself: bool
    free_of_loops: bool

    @property
    def passes(self) -> bool:
        """Whether every part of the pattern was found."""
        return all(asdict(self).values())


@dataclass(frozen=True)
class Sample:
    """One story that a model wrote."""

    cell: Cell
    text: str
    ended: bool

    def judge(self) -> Verdict:
        """Check the story against its cell."""
        text = self.text.strip()
        return Verdict(
            names_dynasty=any(word in text for word in words_for(self.cell.dynasty)),
            uses_power=self.cell.super_power in text,
            meets_monster="怪兽" in text and "奥特曼" in text,
            ends_by_itself=self.ended and text.endswith(tuple(ENDINGS)),
            free_of_loops=not has_loop(text),
        )


def write_samples(model: Any, tokenizer: Any, cells: Sequence[Cell], template: str, temperature: float) -> list[Sample]:
    """Let the model write one story per cell, in batches."""
    samples: list[Sample] = []
    for start in range(0, len(cells), BATCH):
        batch = cells[start : start + BATCH]
        inputs = tokenizer(
            [cell.prompt(template) for cell in batch], return_tensors="pt", padding=True, padding_side="left"
        ).to(model.device)
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                max_new_tokens=LONGEST_STORY_TOKENS,
                do_sample=True,
                temperature=temperature,
                top_p=1.0,
                top_k=0,
            )
        for cell, tokens in zip(batch, output[:, inputs.input_ids.shape[1] :].tolist(), strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True)
            samples.append(Sample(cell, text, tokenizer.eos_token_id in tokens))
        sys.stderr.write(f"{len(samples)}/{len(cells)} stories\n")
    return samples


def summarise(samples: Sequence[Sample]) -> dict[str, float]:
    """Share of the samples that pass, in all and by property; then of those that a plain story's sense is found in."""
    verdicts = [sample.judge() for sample in samples]
    senses = [judge_sense(sample.cell, sample.text) for sample in samples]
    return {**_share("passes", verdicts), **_share("makes_sense", senses)}


def _share(whole: str, verdicts: Sequence[Verdict] | Sequence[Sense]) -> dict[str, float]:
    shares = {name: [asdict(verdict)[name] for verdict in verdicts] for name in asdict(verdicts[0])}
    shares = {whole: [verdict.passes for verdict in verdicts], **shares}
    return {name: sum(values) / len(values) for name, values in shares.items()}


def load_model(base_path: str, adapter: Path | None) -> tuple[Any, Any]:
    """Load the base, with an adapter merged into it if given, and the tokenizer."""
    device = choose_device("auto")
    model = load_base(base_path, choose_dtype("auto", device), device)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().eval()
    return model, load_tokenizer(base_path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the samples as JSON lines to --output and the shares to stdout."""
    parser = argparse.ArgumentParser(prog="pattern_check", description=__doc__)
    parser.add_argument("--adapter", type=Path, help="adapter folder (default: the base model alone)")
    parser.add_argument("--base", default="", help="base model folder (default: the built-in weights)")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--short-prompt", action="store_true")
    parser.add_argument("--cells", choices=("held-out", "unseen", "article"), default="held-out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    base = options.base or prepare_model(EngineSettings(), lambda line: None)
    torch.manual_seed(options.seed)
    model, tokenizer = load_model(base, options.adapter)
    pool = _choose_cells(options.cells)
    cells = [pool[number % len(pool)] for number in range(options.samples)]
    template = SHORT_PROMPT if options.short_prompt else LONG_PROMPT
    samples = write_samples(model, tokenizer, cells, template, options.temperature)
    if options.output:
        _write_output(options.output, samples)
    sys.stdout.write(json.dumps(summarise(samples)) + "\n")


def _choose_cells(name: str) -> list[Cell]:
    if name == "unseen":
        return unseen_cells()
    if name == "article":
        return list(ARTICLE_CELLS)
    return list(dict.fromkeys(story.cell for story in hold_out(read_sample_stories(), HELD_OUT_SHARE)[1]))


def _write_output(path: Path, samples: Sequence[Sample]) -> None:
    lines = [
        json.dumps(
            {**asdict(sample), "verdict": asdict(sample.judge()), "lacks": judge_sense(sample.cell, sample.text).lacks},
            ensure_ascii=False,
        )
        for sample in samples
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
