"""What holding a text to a grammar costs a token: the library's own time, and a batch's step beside one of free texts.

    python -m benchmarks.engine_constraints [--state-dir DIR] [--rounds 3] [--tokens 64] [--libraries]

`--libraries` walks one JSON document with whichever of llguidance, xgrammar and outlines-core can be imported: install
the others beside with `pip install --no-deps --target DIR xgrammar apache-tvm-ffi outlines-core`, and set PYTHONPATH.
Without it, eight texts are written by the built-in model, free and with all, four or one of them held, in turns."""

import argparse
import importlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from services.engine.batching.batch import Batch
from services.engine.batching.requests import Priority, SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sequence import RunningSequence
from services.engine.constraints.compiler import GrammarCompiler
from services.engine.constraints.grammar import demand_json
from services.engine.model.load import load_base, load_tokenizer
from services.engine.model.runner import ModelRunner
from services.engine.settings import EngineSettings
from services.engine.weights.package import FILE_NAME, assemble
from services.engine.weights.prepare import prepare_model

TEXTS = 8
HERO = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer"},
        "dynasty": {"enum": ["唐", "宋", "元", "明", "清"]},
        "powers": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    },
    "required": ["name", "age", "dynasty", "powers"],
    "additionalProperties": False,
}
DOCUMENT = {"name": "李白 the hero", "age": 42, "dynasty": "唐", "powers": ["flight", "invisible to monsters", "隐形"]}
ENDLESS = {"type": "array", "items": HERO, "minItems": 500}


def walk_llguidance(tokenizer: Any, tokens: list[int]) -> tuple[float, list[float]]:
    """Return the seconds of compiling, and of each mask as the engine takes it."""
    compiler = GrammarCompiler(tokenizer, len(tokenizer), [tokenizer.eos_token_id], most_bytes=10**6)
    compiler._compile(demand_json(HERO, "warm"))  # the vocabulary is built once a process
    started = time.perf_counter()
    constraint = compiler._compile(demand_json(HERO, "f")).start()
    compiled = time.perf_counter() - started
    seconds = []
    for token in tokens:
        constraint.get_forbidden()
        started = time.perf_counter()
        constraint._find_forbidden()
        seconds.append(time.perf_counter() - started)
        constraint.accept(token)
    compiler.close()
    return compiled, seconds


def walk_xgrammar(tokenizer: Any, tokens: list[int]) -> tuple[float, list[float]]:
    """As above, with xgrammar; its bits are not even spread over the vocabulary."""
    xgrammar = importlib.import_module("xgrammar")
    information = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
    compiler = xgrammar.GrammarCompiler(information, max_threads=1, cache_enabled=False)
    started = time.perf_counter()
    matcher = xgrammar.GrammarMatcher(
        compiler.compile_json_schema(json.dumps(HERO), any_whitespace=False, separators=(", ", ": "))
    )
    compiled = time.perf_counter() - started
    mask = xgrammar.allocate_token_bitmask(1, len(tokenizer))
    seconds = []
    for token in tokens:
        started = time.perf_counter()
        matcher.fill_next_token_bitmask(mask)
        seconds.append(time.perf_counter() - started)
        assert matcher.accept_token(token)
    return compiled, seconds


def walk_outlines(tokenizer: Any, tokens: list[int]) -> tuple[float, list[float]]:
    """As above, with outlines-core, which writes the schema as one automaton over the vocabulary."""
    core = importlib.import_module("outlines_core")
    schemas = importlib.import_module("outlines_core.json_schema")
    words: dict[str, list[int]] = {}
    for token in range(len(tokenizer)):
        if token != tokenizer.eos_token_id:
            words.setdefault(tokenizer.decode([token]), []).append(token)
    vocabulary = core.Vocabulary(tokenizer.eos_token_id, words)
    started = time.perf_counter()
    pattern = schemas.build_regex_from_schema(json.dumps(HERO, ensure_ascii=False), r"[ ]?")
    guide = core.Guide(core.Index(pattern, vocabulary))
    compiled = time.perf_counter() - started
    seconds = []
    for token in tokens:
        started = time.perf_counter()
        guide.get_tokens()
        seconds.append(time.perf_counter() - started)
        guide.advance(token)
    return compiled, seconds


def compare_libraries() -> None:
    """Print each library's times over the built-in model's 262,144 tokens."""
    with tempfile.TemporaryDirectory() as work:
        assemble(Path(work) / FILE_NAME)
        tokenizer = AutoTokenizer.from_pretrained(work, gguf_file=FILE_NAME)
    tokens = tokenizer(json.dumps(DOCUMENT, ensure_ascii=False), add_special_tokens=False).input_ids
    walks: dict[str, Callable[[Any, list[int]], tuple[float, list[float]]]] = {
        "llguidance": walk_llguidance,
        "xgrammar": walk_xgrammar,
        "outlines-core": walk_outlines,
    }
    for name, walk in walks.items():
        try:
            compiled, seconds = walk(tokenizer, tokens)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            continue
        masks = sorted(second * 1e3 for second in seconds)
        middle = statistics.median(masks)
        print(f"{name}: compiled in {compiled * 1e3:.1f} ms; masks: {middle:.3f} ms, at most {masks[-1]:.3f}")


class Bench:
    """The built-in model and a batch of eight."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = load_tokenizer(folder)
        model = load_base(folder, torch.bfloat16, "cpu")
        self.runner = ModelRunner(model, slots=TEXTS, context_length=1024)
        self.compiler = GrammarCompiler(self.tokenizer, self.runner.vocabulary_size, [1], most_bytes=10**6)
        self.grammar = self.compiler._compile(demand_json(ENDLESS, "f"))
        self.prompt = self.tokenizer("写一个故事，讲述唐朝的一位英雄。").input_ids

    def measure(self, held: int, tokens: int) -> float:
        """Return the median seconds of a step of eight texts, of which some are held to a schema."""
        batch = Batch(self.runner, [], 1024, lambda sequence, delta: None)
        for place in range(TEXTS):
            request = SequenceRequest(
                self.prompt, tokens, SamplingOptions(seed=place), grammar=self.grammar if place < held else None
            )
            batch.join(RunningSequence(RunningRequest([request], Priority.VOLUME), 0, request, self.tokenizer))
        steps = []
        while len(batch):
            started = time.perf_counter()
            batch.step()
            steps.append(time.perf_counter() - started)
            batch.drop_gone()
        return statistics.median(steps[2:])


def compare_steps(folder: Path, rounds: int, tokens: int) -> None:
    """Print what a step takes, free and held, in turns."""
    bench = Bench(folder)
    found: dict[int, list[float]] = {0: [], TEXTS: [], TEXTS // 2: [], 1: []}
    with torch.inference_mode():
        bench.measure(TEXTS, 8)
        for _ in range(rounds):
            for held, steps in found.items():
                steps.append(bench.measure(held, tokens))
    bench.compiler.close()
    free = found[0]
    for held, steps in found.items():
        ratio = statistics.median(one / other for one, other in zip(steps, free, strict=True))
        print(f"{held} of {TEXTS} held: {statistics.median(steps) * 1e3:.1f} ms a step, {ratio:.3f} of free")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=Path(".cache/engine"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--libraries", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.libraries:
        compare_libraries()
        return
    folder = Path(prepare_model(EngineSettings(state_dir=options.state_dir), print))
    compare_steps(folder, options.rounds, options.tokens)


if __name__ == "__main__":
    main()
