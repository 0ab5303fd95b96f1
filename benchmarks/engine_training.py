"""Measures fine-tuning on the real model: `python -m benchmarks.engine_training`.

In one run, interleaved step by step: our loop beside a bare torch loop (the model's own loss over every position)
with the same weights, examples and optimizer. Then the peak memory of each in a process of its own, and four
open streams of an engine with and without a training job beside them.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded; the trainer process has the same

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openai
import torch

from services.engine.model.load import choose_device, load_base, load_tokenizer
from services.engine.serving import choose_dtype
from services.engine.settings import EngineSettings
from services.engine.training.encoding import ExampleEncoder, TrainingSequence
from services.engine.training.loop import TrainingLoop, TrainingPlan
from services.engine.training.objective import CompletionObjective
from services.engine.training.sample_stories import LONG_PROMPT, read_sample_stories, to_examples
from services.engine.training.tunable_model import LoraShape, TunableModel, attach_new_adapter
from services.engine.weights.prepare import prepare_model
from tests.support.engine_process import EngineProcess, wait_until

BAR_STEP_RATIO = 1.15
STREAMS = 4
STREAM_ROUNDS = 3


def main() -> None:
    """Print what each part measures as soon as it is known, and all figures as one JSON line at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="model folder (default: the built-in weights)")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--stream-seconds", type=float, default=30.0)
    parser.add_argument("--memory-of", choices=("ours", "bare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = options.model or prepare_model(EngineSettings(), print)
    if options.memory_of:
        print(json.dumps(measure_memory(model, options.memory_of)))
        return
    figures = measure_steps(model, options.rounds)
    for kind in ("ours", "bare"):
        figures[f"{kind}_peak_mib"] = read_memory(model, kind)
    print_loops(figures)
    figures |= asyncio.run(measure_streams(model, options.stream_seconds))
    print_streams(figures)
    print(json.dumps(figures))


def measure_steps(model: str, rounds: int) -> dict[str, float]:
    """Time single-example steps of both loops in turn, on the same examples."""
    tunable, sequences = load(model)
    ours = our_stepper(tunable, sequences)
    bare = bare_stepper(tunable, sequences)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    tokens = 0
    for number in range(rounds + 1):
        for name, step in (("ours", ours), ("bare", bare)):
            started = time.perf_counter()
            step(number)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
        tokens += len(sequences[number % len(sequences)]) if number else 0
    result = {f"{name}_step_seconds": statistics.median(values) for name, values in seconds.items()}
    pairs = [mine / other for mine, other in zip(seconds["ours"], seconds["bare"], strict=True)]
    result["step_ratio"] = statistics.median(pairs)
    for name, values in seconds.items():
        result[f"{name}_tokens_per_second"] = tokens / sum(values)
    return result


def load(model: str) -> tuple[TunableModel, list[TrainingSequence]]:
    """Load the model with a fresh adapter, and the sample stories."""
    device = choose_device("auto")
    tokenizer = load_tokenizer(model)
    encoder = ExampleEncoder(tokenizer, 1024)
    encoded = map(encoder.encode, to_examples(read_sample_stories()[:16]))
    sequences = [item for item in encoded if isinstance(item, TrainingSequence)]
    base = load_base(model, choose_dtype("auto", device), device)
    return attach_new_adapter(base, LoraShape(16, 32), 1, tokenizer.pad_token_id), sequences


def our_stepper(tunable: TunableModel, sequences: Sequence[TrainingSequence]) -> Callable[[int], None]:
    """Each call is one step of our loop."""
    plan = TrainingPlan(epochs=1000, batch_size=1, learning_rate=1e-4, seed=1)

    def step(number: int) -> None:
        loop.items = [sequences[number % len(sequences)]]
        next(steps)

    loop = TrainingLoop(tunable, CompletionObjective(), [sequences[0]], plan)
    steps = loop.steps()
    return step


def bare_stepper(tunable: TunableModel, sequences: Sequence[TrainingSequence]) -> Callable[[int], None]:
    """Each call is one step as a tutorial writes it: labels, the model's loss, AdamW."""
    optimizer = torch.optim.AdamW(tunable.parameters, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0)

    def step(number: int) -> None:
        sequence = sequences[number % len(sequences)]
        tokens = torch.tensor([sequence.tokens], device=tunable.device)
        labels = [token if learned else -100 for token, learned in zip(sequence.tokens, sequence.learned, strict=True)]
        tunable.peft_model.train()
        output = tunable.peft_model(input_ids=tokens, labels=torch.tensor([labels], device=tunable.device))
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(tunable.parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        output.loss.item()

    return step


def measure_memory(model: str, kind: str) -> dict[str, int]:
    """Take a few steps of one loop and return the process's peak."""
    tunable, sequences = load(model)
    step = (our_stepper if kind == "ours" else bare_stepper)(tunable, sequences)
    for number in range(4):
        step(number)
    # Not getrusage: that peak begins with the parent's, from which this process was forked.
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"peak_mib": int(peak) // 1024}


def read_memory(model: str, kind: str) -> int:
    """Measure in a child, so that one loop's memory is not the other's."""
    command = [sys.executable, "-m", "benchmarks.engine_training", "--model", model, "--memory-of", kind]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(json.loads(answer.splitlines()[-1])["peak_mib"])


async def measure_streams(model: str, seconds: float) -> dict[str, float]:
    """Measure four streams' tokens per second alone, then while a job trains."""
    with tempfile.TemporaryDirectory() as folder:
        threads = str(torch.get_num_threads())
        engine = EngineProcess(
            Path(model), Path(folder) / "state", OMP_NUM_THREADS=threads, STORYMILL_ENGINE_THREADS=threads,
            STORYMILL_ENGINE_TRAINING_THREADS=threads, STORYMILL_ENGINE_TRAINING_NICENESS="10",
        )  # fmt: skip
        try:
            return await compare_streams(engine, Path(model).name, seconds)
        finally:
            engine.stop()


async def compare_streams(engine: EngineProcess, model: str, seconds: float) -> dict[str, float]:
    """See `measure_streams`."""
    client = openai.OpenAI(base_url=engine.base_url, api_key="unused")
    jobs = client.fine_tuning.jobs
    lines = [json.dumps({"prompt": "唐 ->", "completion": story.text}) for story in read_sample_stories()]
    file = client.files.create(file=("stories.jsonl", "\n".join(lines).encode()), purpose="fine-tune")
    job = jobs.create(model=model, training_file=file.id)
    await asyncio.to_thread(wait_for_training, client, job.id, 0)
    rounds: list[tuple[float, float, float]] = []
    await stream_for(engine, model, 5.0)
    for _ in range(STREAM_ROUNDS):
        jobs.pause(job.id)
        await asyncio.to_thread(wait_until, lambda: engine.trainer_pid() is None, "the trainer is gone", 300)
        alone = await stream_for(engine, model, seconds)
        before = jobs.retrieve(job.id).trained_tokens or 0
        jobs.resume(job.id)
        before = await asyncio.to_thread(wait_for_training, client, job.id, before)
        beside = await stream_for(engine, model, seconds)
        rounds.append((alone, beside, ((jobs.retrieve(job.id).trained_tokens or 0) - before) / seconds))
    jobs.cancel(job.id)
    print("rounds (alone, beside, trained), tokens per second:", [tuple(round(x, 1) for x in r) for r in rounds])
    alone, beside, trained = (statistics.median(values) for values in zip(*rounds, strict=True))
    return {
        "streams_alone_tokens_per_second": alone,
        "streams_while_training_tokens_per_second": beside,
        "streams_share_left": statistics.median(beside / alone for alone, beside, _ in rounds),
        "trained_tokens_per_second_beside_streams": trained,
    }


def wait_for_training(client: openai.OpenAI, job_id: str, more_than: int) -> int:
    """Wait until the job has taken a step past so many tokens; return its count."""

    def read_count() -> int:
        trained = client.fine_tuning.jobs.retrieve(job_id).trained_tokens or 0
        return trained if trained > more_than else 0

    return int(wait_until(read_count, "a training step", 300))


async def stream_for(engine: EngineProcess, model: str, seconds: float) -> float:
    """Keep four streams open for a time; return their tokens per second together."""
    client = openai.AsyncOpenAI(base_url=engine.base_url, api_key="unused")
    deadline = time.monotonic() + seconds
    prompts = itertools.cycle(LONG_PROMPT.format(**vars(story.cell)) for story in read_sample_stories())

    async def keep_streaming() -> int:
        chunks = 0
        while time.monotonic() < deadline:
            stream: Any = await client.completions.create(
                model=model, prompt=next(prompts), max_tokens=300, stream=True, logit_bias={"1": -100}
            )
            async for chunk in stream:
                chunks += bool(chunk.choices and chunk.choices[0].text)
                if time.monotonic() >= deadline:
                    await stream.close()
                    break
        return chunks

    counts = await asyncio.gather(*(keep_streaming() for _ in range(STREAMS)))
    await client.close()
    return sum(counts) / seconds


def print_loops(figures: dict[str, float]) -> None:
    """Print what was measured of the two loops, beside its bar."""
    print(f"{'':32}{'ours':>10}{'bare loop':>12}{'ratio':>8}")
    for label, name in (("seconds per step (1 example)", "step_seconds"), ("tokens per second", "tokens_per_second")):
        ours, bare = figures[f"ours_{name}"], figures[f"bare_{name}"]
        print(f"{label:32}{ours:>10.2f}{bare:>12.2f}{ours / bare:>8.2f}")
    print(f"{'median of paired step ratios':32}{'':>22}{figures['step_ratio']:>8.2f}  bar: <= {BAR_STEP_RATIO}")
    print(f"{'peak memory, MiB':32}{figures['ours_peak_mib']:>10.0f}{figures['bare_peak_mib']:>12.0f}", flush=True)


def print_streams(figures: dict[str, float]) -> None:
    """Print what the streams lose, and what the job trains meanwhile."""
    print(f"4 streams, tokens per second: alone {figures['streams_alone_tokens_per_second']:.1f}, while training")
    print(f"{figures['streams_while_training_tokens_per_second']:.1f} ({figures['streams_share_left']:.0%}); ", end="")
    print(f"the job meanwhile trained {figures['trained_tokens_per_second_beside_streams']:.0f} tokens per second")


if __name__ == "__main__":
    main()
