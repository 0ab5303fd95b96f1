"""Measures the engine beside `transformers serve --continuous-batching` and bare `generate`, in interleaved rounds.

    python -m benchmarks.engine_serving [--state-dir DIR] [--rounds 3] [--tokens 96] [--json FILE]

All three write greedily, in bf16, with the same number of threads and OMP_WAIT_POLICY=PASSIVE (without it the two
peers fall far behind as soon as anything else runs on the machine). The engine serves a tuned model; the peers,
one of which cannot serve adapters, the base. Idle servers are stopped by signal while another one is measured.
"""

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before torch is loaded
os.environ["HF_HUB_OFFLINE"] = "1"

import argparse
import asyncio
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import torch
from peft import LoraConfig, get_peft_model

from services.engine.admission.fingerprint import take_fingerprint
from services.engine.model.load import load_base, load_tokenizer
from services.engine.settings import EngineSettings
from services.engine.weights.prepare import prepare_model

CLIENTS = 8
DYNASTIES = "唐宋元明清汉魏晋"
PROMPT = (
    "请你用中文写一段300字的故事，情节跌宕起伏，讲述一位{}朝时期的英雄人物，穿越到现代，拥有了隐形这样的超能力，"
    "通过轻松的战斗，帮助奥特曼一起打败了怪兽的故事。"
)
END_TOKEN = "1"  # Gemma's; forbidden, so that every text has its full length
BARS = {
    "8 streams / transformers serve": (">=", 1.5),
    "8 streams / bare generate, batch 8": (">=", 0.6),
    "1 stream / bare generate, batch 1": (">=", 0.9),
    "first token, 8 clients at once (s)": ("<=", 1.0),
}


class Server:
    """A child process that is asleep unless it is being measured."""

    def __init__(self, command: list[str], port: int, ready_path: str, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._ready_path = ready_path
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait_until_ready(self) -> None:
        """Wait until the server answers 200, for at most 300 s."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                if httpx2.get(self.url + self._ready_path).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.2)
        raise TimeoutError(self.url)

    @contextmanager
    def awake(self) -> Iterator[str]:
        """Let the process run inside the block; outside it sleeps (SIGSTOP) and costs the others nothing."""
        self._process.send_signal(signal.SIGCONT)
        yield self.url
        self._process.send_signal(signal.SIGSTOP)

    def cpu_seconds(self) -> float:
        """Processor time of the server and its children so far; other load on the machine does not count."""
        process = psutil.Process(self._process.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))

    def stop(self) -> None:
        """Kill the process, asleep or not."""
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()


async def stream_one(client: httpx2.AsyncClient, url: str, model: str, place: int, tokens: int) -> tuple[float, int]:
    """Return seconds to the first text, and the tokens written."""
    body = {
        "model": model,
        "prompt": PROMPT.format(DYNASTIES[place % len(DYNASTIES)]),
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "logit_bias": {END_TOKEN: -100},
    }
    started, first, written = time.perf_counter(), 0.0, 0
    async with client.stream("POST", f"{url}/v1/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if not first and chunk["choices"] and chunk["choices"][0]["text"]:
                first = time.perf_counter() - started
            written = (chunk.get("usage") or {}).get("completion_tokens", written)
    return first, written


def measure_server(url: str, models: list[str], clients: int, tokens: int) -> tuple[float, float]:
    """Return total tokens/s and the slowest first token of `clients` that start at once."""

    async def run() -> tuple[float, float]:
        async with httpx2.AsyncClient(timeout=600) as client:
            started = time.perf_counter()
            streams = [stream_one(client, url, models[i % len(models)], i, tokens) for i in range(clients)]
            results = await asyncio.gather(*streams)
            seconds = time.perf_counter() - started
        return sum(written for _, written in results) / seconds, max(first for first, _ in results)

    return asyncio.run(run())


def measure_generate(model: Any, tokenizer: Any, batch: int, tokens: int) -> float:
    """Return total tokens/s of `generate`, reading the prompts included, as for the servers."""
    prompts = [PROMPT.format(DYNASTIES[i]) for i in range(batch)]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    started = time.perf_counter()
    with torch.inference_mode():
        model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    return batch * tokens / (time.perf_counter() - started)


def write_random_adapters(model_path: str, adapters: Path, names: list[str], base: str) -> None:
    """Adapters of the usual size whose texts do not matter."""
    fingerprint = take_fingerprint(Path(model_path), load_tokenizer(model_path)).to_json()
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", init_lora_weights=False)
        tuned = get_peft_model(load_base(model_path, torch.bfloat16, "cpu"), config)
        for key, weight in tuned.named_parameters():
            if "lora_" in key:
                weight.data.mul_(0.02)
        tuned.save_pretrained(adapters / name)
        card: dict[str, Any] = {
            "id": name,
            "base": base,
            "parent": None,
            "created": seed,
            "job_id": None,
            "kind": "model",
        }
        card["fingerprint"] = fingerprint
        (adapters / name / "storymill.json").write_text(json.dumps(card))


def find_free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def start_engine(model_path: str, state: Path, threads: int) -> Server:
    """Start our engine on the adapters under `state`."""
    port = find_free_port()
    command = [
        sys.executable,
        "-m",
        "services.engine",
        "--port",
        str(port),
        "--state-dir",
        str(state),
        "--model",
        model_path,
    ]
    environment = {"STORYMILL_ENGINE_MODEL_NAME": "base", "STORYMILL_ENGINE_THREADS": str(threads)}
    return Server(command, port, "/readyz", environment)


def start_transformers(model_path: str, threads: int) -> Server:
    """Start `transformers serve` with continuous batching, in bfloat16 on the processor."""
    port = find_free_port()
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", "--continuous-batching", "--device", "cpu", "--dtype", "bfloat16"]
    command += ["--cb-max-memory-percent", "0.1"]  # its default fills nine tenths of the machine's memory
    environment = {"OMP_NUM_THREADS": str(threads)}
    return Server([*command, "--port", str(port), model_path], port, "/health", environment)


def measure_eight(server: Server, model: str, tokens: int) -> tuple[float, float, float]:
    """Return total tokens/s, the slowest first token, and milliseconds of processor time per token."""
    with server.awake() as url:
        before = server.cpu_seconds()
        speed, first = measure_server(url, [model], CLIENTS, tokens)
        return speed, first, 1000 * (server.cpu_seconds() - before) / (CLIENTS * tokens)


def run_round(engine: Server, peer: Server, bare: tuple[Any, Any], model_path: str, tokens: int) -> dict[str, float]:
    """One measurement of everything, in turn."""
    figures = {}
    figures["bare generate, batch 1"] = measure_generate(*bare, 1, tokens)
    with engine.awake() as url:
        figures["engine, 1 stream"], _ = measure_server(url, ["tuned-a"], 1, tokens)
    before = time.process_time()
    figures["bare generate, batch 8"] = measure_generate(*bare, CLIENTS, tokens)
    figures["CPU ms per token, generate 8"] = 1000 * (time.process_time() - before) / (CLIENTS * tokens)
    figures["engine, 8 streams"], figures["first token"], figures["CPU ms per token, engine"] = measure_eight(
        engine, "tuned-a", tokens
    )
    speed, first, cpu = measure_eight(peer, model_path, tokens)
    figures["transformers serve, 8 streams"], figures["its first token"] = speed, first
    figures["CPU ms per token, transformers serve"] = cpu
    with engine.awake() as url:
        mixed = ["tuned-a", "tuned-b", "base"]
        figures["engine, 8 streams of 3 models"], _ = measure_server(url, mixed, CLIENTS, tokens)
    return figures


def compare(figures: dict[str, float]) -> dict[str, float]:
    """The ratios that the bars are about."""
    eight = figures["engine, 8 streams"]
    return {
        "8 streams / transformers serve": eight / figures["transformers serve, 8 streams"],
        "8 streams / bare generate, batch 8": eight / figures["bare generate, batch 8"],
        "1 stream / bare generate, batch 1": figures["engine, 1 stream"] / figures["bare generate, batch 1"],
        "first token, 8 clients at once (s)": figures["first token"],
    }


def print_table(rounds: list[dict[str, float]]) -> bool:
    """Print medians, ratios (median of the rounds' ratios) and whether each bar holds."""
    print(f"\n| measure | median of {len(rounds)} rounds | lowest | highest |\n|---|---|---|---|")
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        unit = "s" if "first token" in name else "ms" if "CPU" in name else "tokens/s"
        print(f"| {name} ({unit}) | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    print("\n| ratio | median | bar | holds |\n|---|---|---|---|")
    ratios = [compare(figures) for figures in rounds]
    all_hold = True
    for name, (sign, bar) in BARS.items():
        value = statistics.median(ratio[name] for ratio in ratios)
        holds = value >= bar if sign == ">=" else value <= bar
        all_hold &= holds
        print(f"| {name} | {value:.2f} | {sign} {bar} | {'yes' if holds else 'NO'} |")
    return all_hold


def main() -> int:
    """Measure both servers in turn; returns 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=EngineSettings().state_dir)
    parser.add_argument("--model", help="a model folder instead of the built-in weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = EngineSettings(state_dir=options.state_dir, **({"model": options.model} if options.model else {}))
    model_path = prepare_model(settings, print)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_random_adapters(model_path, Path(folder) / "adapters", ["tuned-a", "tuned-b"], "base")
        bare = (load_base(model_path, torch.bfloat16, "cpu"), load_tokenizer(model_path))
        engine = start_engine(model_path, Path(folder), options.threads)
        stack.callback(engine.stop)
        peer = start_transformers(model_path, options.threads)
        stack.callback(peer.stop)
        for server, models in ((engine, ["tuned-a", "tuned-b", "base"]), (peer, [model_path])):
            server.wait_until_ready()
            measure_server(server.url, models, len(models), 4)
            with server.awake():
                pass  # and asleep from here on
        measure_generate(*bare, 1, 4)
        rounds = []
        for number in range(options.rounds):
            rounds.append(run_round(engine, peer, bare, model_path, options.tokens))
            print(f"round {number + 1}/{options.rounds}: {json.dumps(rounds[-1], ensure_ascii=False)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rounds, ensure_ascii=False, indent=1))
    return 0 if print_table(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
