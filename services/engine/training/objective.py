"""What a run minimises: the negative log-likelihood of completions, or the DPO loss of preference pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from services.engine.training.encoding import PreferencePair, TrainingSequence
from services.engine.training.tunable_model import TunableModel


@dataclass(frozen=True)
class ReferencedPair:
    """A pair with its log-likelihoods under the model that training started from."""

    pair: PreferencePair
    preferred_log_likelihood: float
    rejected_log_likelihood: float


Item = TrainingSequence | ReferencedPair


@dataclass
class PassSums:
    """Sums over examples, to be added up and divided at the end."""

    loss: float = 0.0
    weight: float = 0.0
    correct: int = 0
    judged: int = 0
    perfect: int = 0
    examples: int = 0
    tokens: int = 0

    def __iadd__(self, other: "PassSums") -> "PassSums":
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    @property
    def mean_loss(self) -> float:
        """Loss per unit of weight: per learned token, or per pair."""
        return self.loss / max(self.weight, 1e-12)

    @property
    def token_accuracy(self) -> float:
        """Share of judged tokens (or pairs) that were right."""
        return self.correct / max(1, self.judged)

    @property
    def sequence_accuracy(self) -> float:
        """Share of examples right from end to end."""
        return self.perfect / max(1, self.examples)


@dataclass(frozen=True)
class Measured:
    """A pass: its summed loss, with gradient, and the sums for metrics."""

    loss: Tensor
    sums: PassSums


ItemT = TypeVar("ItemT", bound=Item)


class Objective(Protocol):
    """What the loop asks of an objective; items of another objective's kind are a programming error."""

    def weight_of(self, item: Item) -> float:
        """How much of the batch's mean the item is."""

    def length_of(self, item: Item) -> int:
        """Tokens of the item in a pass."""

    def measure(self, model: TunableModel, items: Sequence[Item]) -> Measured:
        """Run the items in one pass."""


@dataclass(frozen=True)
class CompletionObjective:
    """Mean negative log-likelihood of learned tokens, plus prompt tokens at `prompt_weight` each."""

    prompt_weight: float = 0.0

    def weight_of(self, item: Item) -> float:
        """Learned tokens count 1 or their emphasis, prompt tokens but the first `prompt_weight`."""
        assert isinstance(item, TrainingSequence)
        return sum(self._weights(item))

    def length_of(self, item: Item) -> int:
        """The sequence's tokens."""
        assert isinstance(item, TrainingSequence)
        return len(item)

    def measure(self, model: TunableModel, items: Sequence[Item]) -> Measured:
        """Run the sequences in one pass."""
        sequences = [item for item in items if isinstance(item, TrainingSequence)]
        losses, learned = model.measure(sequences, prompt_too=self.prompt_weight > 0)
        weights = [weight for sequence in sequences for weight in self._weights(sequence)]
        loss = -(losses.log_probabilities * torch.tensor(weights, device=learned.device)).sum()
        correct = losses.correct[learned]
        counts = [sequence.learned_count for sequence in sequences]
        sums = PassSums(
            loss=float(loss.detach()),
            weight=sum(weights),
            correct=int(correct.sum()),
            judged=len(correct),
            perfect=sum(bool(part.all()) for part in correct.split(counts)),
            examples=len(sequences),
            tokens=sum(map(len, sequences)),
        )
        return Measured(loss, sums)

    def _weights(self, sequence: TrainingSequence) -> list[float]:
        """One weight per selected token, in the order in which the model measures them."""
        emphasis = sequence.emphasis or [1.0] * len(sequence)
        pairs = list(zip(sequence.learned, emphasis, strict=True))[1:]
        return [factor if learned else self.prompt_weight for learned, factor in pairs if learned or self.prompt_weight]


@dataclass(frozen=True)
class PreferenceObjective:
    """Direct preference optimization (Rafailov et al., 2023): -log sigmoid of the scaled margin over the start.

    Accuracy is the share of pairs whose preferred answer gained more than the rejected one.
    """

    beta: float

    def weight_of(self, item: Item) -> float:
        """Each pair counts 1."""
        return 1.0

    def length_of(self, item: Item) -> int:
        """Twice the longer answer: both run in the same pass."""
        assert isinstance(item, ReferencedPair)
        return 2 * max(len(item.pair.preferred), len(item.pair.rejected))

    def measure(self, model: TunableModel, items: Sequence[Item]) -> Measured:
        """Run both answers of every pair in one pass."""
        pairs = [item for item in items if isinstance(item, ReferencedPair)]
        likelihoods = sequence_log_likelihoods(model, [pair.pair for pair in pairs])
        reference = [[p.preferred_log_likelihood, p.rejected_log_likelihood] for p in pairs]
        gains = likelihoods - torch.tensor(reference, device=likelihoods.device)
        margins = self.beta * (gains[:, 0] - gains[:, 1])
        loss = -torch.nn.functional.logsigmoid(margins).sum()
        better = int((margins > 0).sum())
        tokens = sum(len(p.pair.preferred) + len(p.pair.rejected) for p in pairs)
        count = len(pairs)
        sums = PassSums(float(loss.detach()), float(count), better, count, better, count, tokens)
        return Measured(loss, sums)


def sequence_log_likelihoods(model: TunableModel, pairs: Sequence[PreferencePair]) -> Tensor:
    """Return log-likelihoods of the answers, [pairs, 2]: preferred first."""
    sequences = [sequence for pair in pairs for sequence in (pair.preferred, pair.rejected)]
    losses, _ = model.measure(sequences, prompt_too=False)
    parts = losses.log_probabilities.split([sequence.learned_count for sequence in sequences])
    return torch.stack([part.sum() for part in parts]).view(len(pairs), 2)
