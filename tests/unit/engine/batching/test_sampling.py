"""Sampling follows the distribution, its options and its seed."""

from collections import Counter

import pytest
import torch

from services.engine.batching.requests import SamplingOptions
from services.engine.batching.sampling import CANDIDATES, Sampler, choose_tokens


def draw_many(logits: torch.Tensor, options: SamplingOptions, count: int) -> list[int]:
    sampler = Sampler(options)
    return [choose_tokens(logits[None].clone(), [sampler])[0][0] for _ in range(count)]


def test_temperature_zero_takes_the_most_likely_token() -> None:
    assert draw_many(torch.tensor([1.0, 3.0, 2.0]), SamplingOptions(temperature=0), 5) == [1] * 5


def test_shares_follow_the_probabilities() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    counts = Counter(draw_many(logits, SamplingOptions(seed=1), 4000))
    assert [counts[token] / 4000 for token in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_tokens_beyond_the_candidates_get_their_share() -> None:
    logits = torch.zeros(CANDIDATES * 4)
    tokens = draw_many(logits, SamplingOptions(seed=2), 400)
    assert len(set(tokens)) > CANDIDATES


@pytest.mark.parametrize("top_p", [0.0, 0.5, 0.79])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float) -> None:
    logits = torch.tensor([0.1, 0.5, 0.3, 0.1]).log()
    kept = {0.0: {1}, 0.5: {1}, 0.79: {1, 2}}[top_p]
    assert set(draw_many(logits, SamplingOptions(seed=3, top_p=top_p), 300)) == kept


def test_top_p_over_a_flat_distribution_goes_beyond_the_candidates() -> None:
    tokens = draw_many(torch.zeros(CANDIDATES * 4), SamplingOptions(seed=3, top_p=0.5), 3000)
    assert CANDIDATES < len(set(tokens)) <= CANDIDATES * 2 + 1


def test_a_seed_gives_the_same_tokens_whoever_shares_the_batch() -> None:
    generator = torch.Generator().manual_seed(5)
    steps = torch.randn(30, 1000, generator=generator)
    alone, together, other = (
        Sampler(SamplingOptions(seed=7)),
        Sampler(SamplingOptions(seed=7)),
        Sampler(SamplingOptions()),
    )
    first = [choose_tokens(step[None].clone(), [alone])[0][0] for step in steps]
    second = [choose_tokens(torch.stack([-step, step]), [other, together])[0][1] for step in steps]
    assert first == second
    assert len(set(first)) > 10


def test_penalties_make_a_token_rarer_and_bias_forbids_one() -> None:
    logits = torch.tensor([2.0, 1.9, -5.0])
    greedy = {"temperature": 0.0}
    assert draw_many(logits, SamplingOptions(**greedy, presence_penalty=1), 3) == [0, 1, 0]
    assert draw_many(logits, SamplingOptions(**greedy, frequency_penalty=1), 4) == [0, 1, 0, 1]
    assert draw_many(logits, SamplingOptions(**greedy, logit_bias={0: -100}), 2) == [1, 1]


def test_logprobs_are_those_of_the_distribution() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    _, (report,) = choose_tokens(logits, [Sampler(SamplingOptions(temperature=0, top_logprobs=2))])
    assert report is not None
    assert report.token == 0
    assert report.logprob == pytest.approx(torch.tensor(0.5).log().item())
    assert [token for token, _ in report.top] == [0, 1]
