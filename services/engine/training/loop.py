"""The training loop: steps over shuffled examples, gradients accumulated over passes, AdamW, cosine decay.

Deterministic for a seed on one machine and thread count: the order of an epoch depends on (seed, epoch) alone,
so a run that continues from a resume point repeats exactly what an unbroken run would have done.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from services.engine.training.objective import Item, Objective, PassSums
from services.engine.training.tunable_model import TunableModel

WARMUP_SHARE = 0.05
FINAL_LEARNING_RATE_SHARE = 0.1
LARGEST_GRADIENT_NORM = 1.0
ADAM_BETAS = (0.9, 0.99)  # the second moment adapts within a hundred steps; small sets have few hundred


class TrainingDivergedError(Exception):
    """Loss or gradient is no longer a finite number."""


class TrainingInterruptedError(Exception):
    """The run was asked to stop; the step in progress is forgotten."""


@dataclass(frozen=True)
class TrainingPlan:
    """All that decides the course of a run besides data and weights."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    tokens_per_pass: int = 0  # 0: one example a pass


@dataclass
class Progress:
    """Where a run stands; enough, with weights and optimizer, to go on."""

    step: int = 0
    elapsed_tokens: int = 0
    elapsed_examples: int = 0


@dataclass(frozen=True)
class StepMetrics:
    """One optimizer step. Accuracies are of greedy choice on learned tokens; losses are means per token."""

    step: int
    epoch: int
    ends_epoch: bool
    loss: float
    token_accuracy: float
    sequence_accuracy: float
    elapsed_tokens: int
    elapsed_examples: int
    learning_rate: float
    gradient_norm: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and accuracies over a whole set."""

    loss: float
    token_accuracy: float
    sequence_accuracy: float


@dataclass
class TrainingLoop:
    """Runs a plan. `progress` may be set before the first step, to go on from a resume point."""

    model: TunableModel
    objective: Objective
    items: Sequence[Item]
    plan: TrainingPlan
    should_stop: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Progress)
    # Told how many tokens a pass has from now on, when the device's memory did not hold the earlier number.
    on_smaller_passes: Callable[[int], None] = lambda tokens: None

    def __post_init__(self) -> None:
        self.tokens_per_pass = self.plan.tokens_per_pass
        self.optimizer = torch.optim.AdamW(
            self.model.parameters, lr=self.plan.learning_rate, betas=ADAM_BETAS, weight_decay=0.0
        )

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the data; the last one may be smaller."""
        return math.ceil(len(self.items) / self.plan.batch_size)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.steps_per_epoch * self.plan.epochs

    def steps(self) -> Iterator[StepMetrics]:
        """Train step by step from where `progress` stands.

        Raises: TrainingDivergedError before weights change, TrainingInterruptedError when `should_stop` says so.
        """
        while self.progress.step < self.total_steps:
            yield self._take_step()

    def evaluate(self, items: Sequence[Item]) -> Evaluation:
        """Measure a set without learning from it."""
        sums = PassSums()
        self.model.peft_model.eval()
        with torch.no_grad():
            for group in self._group(items):
                self._stop_if_asked()
                sums += self.objective.measure(self.model, group).sums
        return Evaluation(sums.mean_loss, sums.token_accuracy, sums.sequence_accuracy)

    def _take_step(self) -> StepMetrics:
        started = time.perf_counter()
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        sums = self._accumulate_gradients(self._batch(epoch, position))
        norm = self._apply_gradients(self._learning_rate(self.progress.step), sums)
        self.progress.step += 1
        self.progress.elapsed_tokens += sums.tokens
        self.progress.elapsed_examples += sums.examples
        return StepMetrics(
            step=self.progress.step,
            epoch=epoch + 1,
            ends_epoch=position + 1 == self.steps_per_epoch,
            loss=sums.mean_loss,
            token_accuracy=sums.token_accuracy,
            sequence_accuracy=sums.sequence_accuracy,
            elapsed_tokens=self.progress.elapsed_tokens,
            elapsed_examples=self.progress.elapsed_examples,
            learning_rate=self._learning_rate(self.progress.step - 1),
            gradient_norm=norm,
            seconds=time.perf_counter() - started,
        )

    def _batch(self, epoch: int, position: int) -> list[Item]:
        order = list(range(len(self.items)))
        random.Random(f"{self.plan.seed}:{epoch}").shuffle(order)  # noqa: S311 order, not secrets
        start = position * self.plan.batch_size
        return [self.items[index] for index in order[start : start + self.plan.batch_size]]

    def _accumulate_gradients(self, batch: Sequence[Item]) -> PassSums:
        """Out of the device's memory, try again with passes of half the tokens: the step stays the same."""
        while True:
            try:
                return self._run_passes(batch)
            except torch.OutOfMemoryError:
                self.optimizer.zero_grad(set_to_none=True)
                longest = max(self.objective.length_of(item) for item in batch)
                if self.tokens_per_pass <= longest:
                    raise
            torch.cuda.empty_cache()
            self.tokens_per_pass = max(longest, self.tokens_per_pass // 2)
            self.on_smaller_passes(self.tokens_per_pass)

    def _run_passes(self, batch: Sequence[Item]) -> PassSums:
        self.model.peft_model.train()
        weight = sum(self.objective.weight_of(item) for item in batch)
        sums = PassSums()
        for group in self._group(batch):
            self._stop_if_asked()
            measured = self.objective.measure(self.model, group)
            (measured.loss / weight).backward()
            sums += measured.sums
        return sums

    def _group(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Split into passes of about equal length, so that padding stays small."""
        if self.tokens_per_pass == 0:
            yield from ([item] for item in items)
            return
        group: list[Item] = []
        for item in sorted(items, key=self.objective.length_of):
            if group and self.objective.length_of(item) * (len(group) + 1) > self.tokens_per_pass:
                yield group
                group = []
            group.append(item)
        if group:
            yield group

    def _apply_gradients(self, learning_rate: float, sums: PassSums) -> float:
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters, LARGEST_GRADIENT_NORM))
        if not math.isfinite(norm) or not math.isfinite(sums.loss):
            raise TrainingDivergedError(
                f"the loss became {sums.mean_loss} (gradient norm {norm}) at step {self.progress.step + 1}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def _learning_rate(self, step: int) -> float:
        warmup = max(1.0, WARMUP_SHARE * self.total_steps)
        decay = 0.5 * (1 + math.cos(math.pi * step / self.total_steps))
        share = FINAL_LEARNING_RATE_SHARE + (1 - FINAL_LEARNING_RATE_SHARE) * decay
        return self.plan.learning_rate * share * min(1.0, (step + 1) / warmup)

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            self.optimizer.zero_grad(set_to_none=True)
            raise TrainingInterruptedError

    def state(self) -> dict[str, Any]:
        """Everything that a resume point must hold."""
        return {
            "adapter": self.model.adapter_weights(),
            "optimizer": self.optimizer.state_dict(),
            "progress": dict(vars(self.progress)),
            "generators": self._generator_states(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned in another process."""
        self.model.load_adapter_weights(state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        for name, generator in state.get("generators", {}).items():  # none in points of earlier versions
            if name == "cpu":
                torch.set_rng_state(generator)
            elif self.model.device.type == "cuda":
                torch.cuda.set_rng_state(generator, self.model.device)

    def _generator_states(self) -> dict[str, torch.Tensor]:
        """Of the generators that the adapter's dropout draws from."""
        states = {"cpu": torch.get_rng_state()}
        if self.model.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.model.device)
        return states
